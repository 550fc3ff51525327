"""What the suite asks of a server under test, `ConformanceService`: every call says itself how it wants to be answered."""

import base64
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from google.rpc import status_pb2

from protoplane.base.deadline import Deadline
from protoplane.base.observe import Mark, Observe
from protoplane.base.settings import DeadlineSettings
from protoplane.contract.model import Method
from protoplane.edge.call import bind_call
from protoplane.edge.refusal import Refused
from protoplane.edge.rpc import Call, Handler
from protoplane.identity.principal import ANONYMOUS, Principal
from tests.conformance.messages import PACKAGE

Metadata = Sequence[tuple[str, str | bytes]]

DETAILS_KEY = "grpc-status-details-bin"
NO_DEADLINE_SECONDS = 1e6
"""More than any deadline that the suite sets."""


@dataclass
class Answering:
    """A compiled method that answers one call, with what the call alone knows; a status of its own, which no Fault is, is kept."""

    method: Method
    answers: Callable[[bytes], bytes]
    refusal: Refused | None = None

    def answer(self, data: bytes, principal: Principal, deadline: Deadline, request_id: str, mark: Mark, field_mask: str) -> bytes:
        """What the call asks for."""
        del principal, deadline, request_id, mark, field_mask
        try:
            return self.answers(data)
        except Refused as refusal:
            self.refusal = refusal
            return b""


class Servicer:
    """The methods of the service, on bytes; `messages` has its message classes."""

    def __init__(self, messages: Callable[[str], Any], deadlines: DeadlineSettings, observe: Observe) -> None:
        self._messages, self._deadlines, self._observe = messages, deadlines, observe

    def handlers(self, message_bytes_max: int) -> Mapping[str, Handler]:
        """All of them by path. `Unimplemented` is not among them, as the suite wants it."""
        methods: Mapping[str, tuple[Callable[..., Any], bool, bool]] = {
            "Unary": (self.unary, False, False),
            "IdempotentUnary": (self.unary, False, False),
            "ClientStream": (self.client_stream, True, False),
            "ServerStream": (self.server_stream, False, True),
            "BidiStream": (self.bidi_stream, True, True),
        }
        return {
            f"/{PACKAGE}.ConformanceService/{name}": Handler(
                serve, request_streaming=requests, response_streaming=responses, message_bytes_max=message_bytes_max
            )
            for name, (serve, requests, responses) in methods.items()
        }

    def unary(self, data: bytes, call: Call) -> bytes:
        """One request, one response, as every unary call is served: through `bind_call`.

        Bound anew for each call, since the suite wants back what a compiled method does not see: headers, and whether there was
        a deadline. Its errors have details of their own and no more, so they are raised outside.
        """
        start(call, self._messages("UnaryRequest").FromString(data).response_definition)
        method = cast(Method, SimpleNamespace(path=call.path))  # Of the contract's facts, this is the one that is asked for.
        answering = Answering(method, lambda received: self._one_response("UnaryRequest", [received], call))
        serve = bind_call(answering, authenticate=anybody, deadlines=self._deadlines, timings="off", observe=self._observe)
        response = serve(data, call)
        if answering.refusal is not None:
            raise answering.refusal
        return response

    def client_stream(self, messages: Iterator[bytes], call: Call) -> bytes:
        """Many requests; the first says how to answer, once all are here."""
        received: list[bytes] = []
        for message in messages:
            if not received:
                start(call, self._messages("ClientStreamRequest").FromString(message).response_definition)
            received.append(message)
        return self._one_response("ClientStreamRequest", received, call)

    def server_stream(self, data: bytes, call: Call) -> Iterator[bytes]:
        """One request, many responses."""
        wanted = self._messages("ServerStreamRequest").FromString(data).response_definition
        start(call, wanted)
        info = self._info("ServerStreamRequest", [data], call)
        for number, response in enumerate(wanted.response_data):
            yield self._response(wanted, response, None if number else info)
        refuse(wanted, None if wanted.response_data else info)

    def bidi_stream(self, messages: Iterator[bytes], call: Call) -> Iterator[bytes]:
        """Many requests, many responses: in turn, or all responses after all requests."""
        first = next(messages, None)
        if first is None:
            return
        request = self._messages("BidiStreamRequest").FromString(first)
        wanted, received = request.response_definition, [first]
        responses = enumerate(wanted.response_data)
        start(call, wanted)
        if request.full_duplex:
            while (turn := next(responses, None)) is not None:
                number, response = turn
                yield self._response(wanted, response, self._info("BidiStreamRequest", received, None if number else call))
                if (message := next(messages, None)) is None:
                    break
                received = [message]
        else:
            received.extend(messages)
        for number, response in responses:
            yield self._response(wanted, response, None if number else self._info("BidiStreamRequest", received, call))
        refuse(wanted, None if wanted.response_data else self._info("BidiStreamRequest", received, call))

    def _one_response(self, kind: str, received: Sequence[bytes], call: Call) -> bytes:
        wanted = self._messages(kind).FromString(received[0] if received else b"").response_definition
        info = self._info(kind, received, call)
        if wanted.HasField("error"):
            time.sleep(wanted.response_delay_ms / 1000)
        refuse(wanted, info)
        return self._response(wanted, wanted.response_data, info)

    def _response(self, wanted: Any, data: bytes, info: Any) -> bytes:
        """Any method's response, after the delay that was asked for: in all of them, the payload is field 1."""
        time.sleep(wanted.response_delay_ms / 1000)
        payload = self._messages("ConformancePayload")(data=data, request_info=info)
        response: bytes = self._messages("UnaryResponse")(payload=payload).SerializeToString()
        return response

    def _info(self, kind: str, received: Iterable[bytes], call: Call | None) -> Any:
        """What came over the wire; without `call` the messages alone."""
        info = self._messages("ConformancePayload.RequestInfo")()
        for data in received:
            info.requests.add(type_url=f"type.googleapis.com/{PACKAGE}.{kind}", value=data)
        if call is not None:
            headers: dict[str, list[str]] = {}
            for name, value in call.metadata:
                headers.setdefault(name, []).append(printable(value))
            for name, values in headers.items():
                info.request_headers.add(name=name, value=values)
            if (seconds := call.remaining_seconds()) < NO_DEADLINE_SECONDS:
                info.timeout_ms = max(int(seconds * 1000), 0)
        return info


def anybody(_authorization: str) -> Principal:
    """Nobody has to say who it is."""
    return ANONYMOUS


def start(call: Call, wanted: Any) -> None:
    """Send the headers now, so that they can be read before the first response; keep the trailers for the end."""
    call.send_initial_metadata(metadata_of(wanted.response_headers))
    call.trailing_metadata = metadata_of(wanted.response_trailers)


def refuse(wanted: Any, info: Any) -> None:
    """End the call with the error that it wants, if any; with `info` among the details unless a response said it."""
    if not wanted.HasField("error"):
        return
    error = wanted.error
    status = status_pb2.Status(code=error.code, message=error.message)
    for detail in error.details:
        status.details.add(type_url=detail.type_url, value=detail.value)
    if info is not None:
        status.details.add(type_url=f"type.googleapis.com/{info.DESCRIPTOR.full_name}", value=info.SerializeToString())
    trailers = metadata_of(wanted.response_trailers)
    raise Refused(error.code, error.message, (*trailers, (DETAILS_KEY, status.SerializeToString())))


def metadata_of(headers: Any) -> Metadata:
    """The suite's headers as gRPC takes them; binary ones are base64 there."""
    return [(header.name.lower(), value_of(header.name.lower(), value)) for header in headers for value in header.value]


def value_of(name: str, text: str) -> str | bytes:
    """One value."""
    return base64.b64decode(text + "=" * (-len(text) % 4)) if name.endswith("-bin") else text


def printable(value: str | bytes) -> str:
    """A value as the suite's messages hold it."""
    return value if isinstance(value, str) else base64.b64encode(value).decode().rstrip("=")

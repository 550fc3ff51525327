"""The life of a call whose answers stream: as `call.bind_call`, around `method.streamed.Streamed.answer`."""

from __future__ import annotations

from collections.abc import Iterator

from protoplane.base import limits
from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault, Reason
from protoplane.base.observe import CallDone, Observe, Sent, Stages
from protoplane.base.settings import DeadlineSettings
from protoplane.edge.call import Authenticate, ending_of, principal_of, times
from protoplane.edge.head import read_metadata
from protoplane.edge.refusal import Refused
from protoplane.edge.rpc import NO_DEADLINE_SECONDS, Call, Gone, Handler
from protoplane.identity.principal import ANONYMOUS
from protoplane.method.streamed import Caller, Streamed


def stream_handler(served: Streamed, *, authenticate: Authenticate, deadlines: DeadlineSettings, timings: str, observe: Observe) -> Handler:
    """What answers the calls of a compiled method whose answers stream."""

    def serve(data: bytes, call: Call) -> Iterator[bytes]:
        streaming = _Streaming(served.method.path, call, timings, observe)
        streaming.run(served, data, authenticate, deadlines)
        return iter(())  # All of it was sent.

    return Handler(serve, response_streaming=True, stream_seconds_max=deadlines.max_seconds)


class _Streaming:
    """One such call."""

    def __init__(self, path: str, call: Call, timings: str, observe: Observe) -> None:
        self._path, self._call, self._timings, self._observe = path, call, timings, observe
        self._head = read_metadata(call.metadata)
        self._stages = Stages(call.arrived_seconds)
        self._principal = ANONYMOUS
        self._messages = self._bytes = 0

    def run(self, served: Streamed, data: bytes, authenticate: Authenticate, deadlines: DeadlineSettings) -> None:
        """All of it; raises Refused, or Gone. It is observed once, however it ends."""
        call, head, stages = self._call, self._head, self._stages
        stages.mark("queue")
        deadline = self._deadline(deadlines)
        try:
            if head.authorization:
                self._principal = principal_of(head, authenticate)
            stages.mark("authenticate")
            deadline.check()
            caller = Caller(self._principal, deadline, head.request_id, head.field_mask)
            served.answer(data, caller, stages, lambda message: self._send(message, deadline))
        except Gone as gone:
            stages.mark("refuse")
            self._done(Fault(Reason.DEADLINE_PASSED if deadline.passed else gone.reason))
            raise
        except BaseException as problem:  # noqa: BLE001 - as in `bind_call`.
            raise self._refuse(problem) from None
        if head.timings:
            call.trailing_metadata = times(self._timings, self._principal, stages)
        self._done(None)

    def _deadline(self, deadlines: DeadlineSettings) -> Deadline:
        call, seconds = self._call, self._call.remaining_seconds()
        if seconds > NO_DEADLINE_SECONDS:
            seconds = deadlines.default_seconds
        return Deadline.after(min(seconds, deadlines.max_seconds), lambda: call.cancelled)

    def _send(self, message: bytes, deadline: Deadline) -> None:
        deadline.check()
        if len(message) > limits.ANSWER_BYTES_MAX:
            raise Fault(Reason.ANSWER_TOO_LARGE, bytesMax=str(limits.ANSWER_BYTES_MAX))
        self._call.send(message, deadline.remaining_seconds())
        self._messages += 1
        self._bytes += len(message)

    def _refuse(self, problem: BaseException) -> Refused:
        """What the caller is told; the observers are told more."""
        fault, refusal, bug, cause = ending_of(problem, self._head.request_id)
        self._stages.mark("refuse")
        if self._head.timings:
            refusal.trailing_metadata = (*refusal.trailing_metadata, *times(self._timings, self._principal, self._stages))
        self._done(fault, bug, cause)
        return refusal

    def _done(self, fault: Fault | None, bug: BaseException | None = None, cause: BaseException | None = None) -> None:
        code, reason = ("OK", "") if fault is None else (fault.code.name, fault.reason)
        sent, head = Sent(self._messages, self._bytes), self._head
        self._observe(
            CallDone(self._path, head.request_id, self._principal.subject, code, reason, self._stages, bug, cause, head.trace_id, sent)
        )

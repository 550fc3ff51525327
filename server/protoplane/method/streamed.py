"""A method that streams its answers, compiled: what `edge` calls. The whole inside of such a call stands in `Streamed.answer`.

It only reads, all of one moment, in one session that lasts as long as the stream: each message is made when the caller has taken the one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from google.protobuf.message import DecodeError, Message

from protoplane.base import clock
from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault, Reason
from protoplane.base.observe import Stages
from protoplane.contract.model import Method
from protoplane.identity.principal import Principal
from protoplane.method.call import Call, Stored
from protoplane.method.guard import Guard
from protoplane.store.engine import RETRY_SECONDS, Engine
from protoplane.store.session import Session

Answers: TypeAlias = Callable[[Call, Message], Iterator[Message]]
"""What such a method does: a generator, with a request that may be called and is well formed."""
Send: TypeAlias = Callable[[bytes], None]
"""Gives a message to the caller, and returns when it was taken; raises what ends the stream."""


class Caller(NamedTuple):
    """Who wants a stream, and how."""

    principal: Principal
    deadline: Deadline
    request_id: str
    field_mask: str = ""
    """Of the metadata: what of each message is wanted; empty for all of it."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """A method with everything bound that a stream of answers needs."""

    method: Method
    answers: Answers
    authorise: Callable[[Principal, Message], None]
    """Raises Fault PERMISSION_DENIED or CREDENTIALS_INVALID."""
    prepare: Callable[[Message], None]
    """Clears what callers may not set and checks the request; raises Fault INVALID_FIELDS."""
    engine: Engine
    resources: Mapping[type[Message], Stored]
    """What the code's Call reaches."""
    trim: Callable[[str], Callable[[bytes], bytes]]
    """How a field mask of the metadata narrows each encoded message. Raises Fault INVALID_FIELD_MASK."""
    code: str
    """Place of the team's own Python: `servicers.py:12`."""
    guard: Guard | None = None
    """The relations of its contract."""
    admit: Callable[[Call, Message], None] | None = None
    """As of `Served`."""

    def answer(self, data: bytes, caller: Caller, stages: Stages, send: Send) -> None:
        """As `Served.answer`, but that each message is sent as it is made. Raises Fault, also after some of them."""
        request = self._decode(data)
        stages.mark("decode")
        self.authorise(caller.principal, request)
        stages.mark("authorise")
        if self.admit is None:
            self.prepare(request)
        trim = self.trim(caller.field_mask) if caller.field_mask else None
        stages.mark("check")
        pace = _Pace(self.method.response_class, trim, send)
        note = self.engine.slowest()

        def work(session: Session) -> None:
            # A caller that has had messages must not get others in their place: whatever was lost, only he can begin anew.
            if pace.begun:
                raise Fault(Reason.DATABASE_UNAVAILABLE, retry_delay_seconds=RETRY_SECONDS)
            asked = request
            if session.attempt > 1:  # From the bytes: the code may have changed its request.
                asked = self._decode(data)
                if self.admit is None:
                    self.prepare(asked)
            before_seconds = note.all_seconds
            try:
                session.snapshot()
                principal, deadline, request_id, field_mask = caller
                call = Call(self.method, principal, session, deadline, request_id, clock.now_micros(), self.resources)
                call.field_mask, call.guard = field_mask, self.guard
                if self.admit is not None:
                    self.admit(call, asked)
                    self.prepare(asked)
                pace.run(self.answers(call, asked))
            finally:
                stages.spent("sql", note.all_seconds - before_seconds)
                pace.tell(stages)
                stages.mark("handle")

        self.engine.read(work, caller.deadline)
        stages.mark("commit")

    def _decode(self, data: bytes) -> Message:
        try:
            return self.method.request_class.FromString(data)
        except DecodeError as error:
            raise Fault(Reason.MALFORMED_MESSAGE, message=self.method.request.full_name) from error


class _Pace:
    """The messages of one stream, one by one."""

    def __init__(self, response_class: type[Message], trim: Callable[[bytes], bytes] | None, send: Send) -> None:
        self._response_class, self._trim, self._send = response_class, trim, send
        self.begun = False
        """Whether anything was sent."""
        self._encode_seconds = self._send_seconds = 0.0

    def run(self, answers: Iterator[Message]) -> None:
        """Send all there is. Whatever ends it ends the generator too, here and now: its `finally` runs while its session lasts."""
        now = clock.monotonic_seconds
        try:
            for answer in answers:
                made_seconds = now()
                if not isinstance(answer, self._response_class):
                    raise TypeError(f"the method yielded {type(answer).__name__}, not {self._response_class.__name__}")
                message = answer.SerializeToString()
                if self._trim is not None:
                    message = self._trim(message)
                encoded_seconds = now()
                self._encode_seconds += encoded_seconds - made_seconds
                self.begun = True
                try:
                    self._send(message)
                finally:
                    self._send_seconds += now() - encoded_seconds
        finally:
            if (close := getattr(answers, "close", None)) is not None:
                close()

    def tell(self, stages: Stages) -> None:
        """How long was spent on what."""
        stages.spent("encode", self._encode_seconds)
        stages.spent("send", self._send_seconds)
        self._encode_seconds = self._send_seconds = 0.0

"""One RPC, compiled: what `edge` calls. The whole inside of a call stands in `Served.answer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message

from protoplane.base import clock
from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault, Reason
from protoplane.base.observe import Mark
from protoplane.contract.model import Access, Method
from protoplane.identity.principal import Principal
from protoplane.method.call import Call, Stored
from protoplane.method.guard import Guard
from protoplane.method.replay import Replay
from protoplane.store.engine import Engine
from protoplane.store.origin import Origin
from protoplane.store.session import Session

A = TypeVar("A")

Handler: TypeAlias = Callable[[Call, Message], Message]
"""What a method does: inside its transaction, with a request that may be called and is well formed."""


@dataclass(frozen=True, slots=True)
class Served:
    """A method with everything bound that a call needs."""

    method: Method
    handler: Handler
    authorise: Callable[[Principal, Message], None]
    """Asked of the caller alone, before anything else. Raises Fault PERMISSION_DENIED or CREDENTIALS_INVALID."""
    prepare: Callable[[Message], None]
    """Clears what callers may not set and checks the request; raises Fault INVALID_FIELDS."""
    engine: Engine
    writes: bool
    """Whether it runs in a transaction; reads are single statements without one."""
    replay: Replay | None
    """Present where the request has a request_id."""
    validate_only: Callable[[Message], bool]
    """Whether this request asks for a rehearsal: everything runs, nothing is kept."""
    repeated_id: Callable[[Message], str]
    """The `request_id` of the request; empty where it has none."""
    resources: Mapping[type[Message], Stored]
    """What the handler's Call reaches."""
    trim: Callable[[str], Callable[[bytes], bytes]] | None = None
    """How a field mask of the metadata narrows an encoded answer; None where the handler does it. Raises Fault INVALID_FIELD_MASK."""

    guard: Guard | None = None
    """The relations of its contract."""
    admit: Callable[[Call, Message], None] | None = None
    """Asked of what the request names, inside the transaction and before the request is checked; raises Fault PERMISSION_DENIED, INVALID_NAME."""
    of_one_moment: bool = False
    """Of one that writes: whether what it reads is of one moment (see `Guard.branching`)."""
    statements: tuple[str, ...] = ()
    """The SQL of its ordinary case, in order, for people; empty where only a team's own code knows."""
    code: str = ""
    """Place of the team's own Python: `servicers.py:12`."""

    def answer(self, data: bytes, principal: Principal, deadline: Deadline, request_id: str, mark: Mark, field_mask: str = "") -> bytes:
        """Decode, authorise, check, act, encode: AIP-211 puts permission before validation. Raises Fault.

        `mark` is told when each stage is done. `field_mask` is the one of the metadata: what of the answer is wanted.
        """
        request = self.decode(data)
        mark("decode")
        self.authorise(principal, request)
        mark("authorise")
        if self.admit is None:
            self.prepare(request)
        trim = self.trim(field_mask) if field_mask and self.trim is not None else None
        mark("check")
        rehearsal, note = self.validate_only(request), self.engine.slowest()

        def work(session: Session) -> bytes:
            # A transaction that is run again starts from the bytes: the handler may have changed its request.
            asked = request if session.attempt == 1 else self._fresh(data)
            now_micros = clock.now_micros()
            if self.writes:
                session.origin = self._origin(asked, principal, request_id, now_micros)
            call = Call(self.method, principal, session, deadline, request_id, now_micros, self.resources, False, field_mask, self.guard)  # noqa: FBT003 - by place, for speed.
            if self.admit is not None:
                self._admit(call, asked)
                mark("admit")
            before_seconds = note.all_seconds

            def act(call: Call, asked: Message) -> bytes:
                try:
                    answer = self.handler(call, asked)
                finally:
                    mark("handle", note.all_seconds - before_seconds)
                encoded = answer.SerializeToString()
                mark("encode")
                return encoded

            if rehearsal:
                session.roll_back()
            return act(call, asked) if self.replay is None or rehearsal else self.replay.once(call, asked, act)

        answer = self.engine.write(work, deadline, of_one_moment=self.of_one_moment) if self.writes else self.engine.read(work, deadline)
        mark("commit")
        return answer if trim is None else trim(answer)

    def decode(self, data: bytes) -> Message:
        """The request from its bytes; Fault MALFORMED_MESSAGE when they are none."""
        try:
            return self.method.request_class.FromString(data)
        except DecodeError as error:
            raise Fault(Reason.MALFORMED_MESSAGE, message=self.method.request.full_name) from error

    def _fresh(self, data: bytes) -> Message:
        request = self.decode(data)
        if self.admit is None:
            self.prepare(request)
        return request

    def _origin(self, request: Message, principal: Principal, call_id: str, now_micros: int) -> Origin:
        return Origin(
            actor=principal.subject,
            issuer=principal.issuer,
            method=self.method.path,
            call_id=call_id,
            request_id=self.repeated_id(request).lower(),
            now_micros=now_micros,
        )

    def _admit(self, call: Call, request: Message) -> None:
        """Who may not have what the request names learns nothing of how it is written (AIP-211)."""
        assert self.admit is not None
        self.admit(call, request)
        self.prepare(request)


def compile_rule(method: Method, target: Callable[[A], str]) -> Callable[[Principal, A], None]:
    """The method's declared rule as a check of a principal and what it asks about. What rules ask of relations is `method.admission`'s.

    `target` gives the name that a request is about, as the caller wrote it: a denied caller learns nothing about its form.
    """
    permission = method.rule.permission
    match method.rule.access:
        case Access.PUBLIC:

            def public(_principal: Principal, _request: A) -> None:
                """Anyone may call it."""

            return public
        case Access.AUTHENTICATED | Access.CHECK | Access.SCOPE:

            def authenticated(principal: Principal, _request: A) -> None:
                if principal.anonymous:
                    raise Fault(Reason.CREDENTIALS_INVALID, problem="none were given.")

            return authenticated
        case Access.PERMISSION:

            def permitted(principal: Principal, request: A) -> None:
                if permission in principal.permissions:
                    return
                if principal.anonymous:
                    raise Fault(Reason.CREDENTIALS_INVALID, problem="none were given.")
                raise Fault(Reason.PERMISSION_DENIED, permission=permission, resource=target(request))

            return permitted

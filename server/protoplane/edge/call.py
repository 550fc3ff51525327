"""The life of a call, in order: `bind_call` is what surrounds every method, `method.served.Served.answer` what is inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

from protoplane.base import limits
from protoplane.base.deadline import Deadline
from protoplane.base.errors import Code, Fault, Reason
from protoplane.base.observe import CallDone, Mark, Observe, Stages
from protoplane.base.settings import DeadlineSettings
from protoplane.contract.model import Method, MethodKind
from protoplane.edge.head import TIMINGS_KEY, Head, Metadata, read_metadata
from protoplane.edge.refusal import Refused, refused
from protoplane.edge.rpc import NO_DEADLINE_SECONDS, Call, Handler
from protoplane.identity.principal import ANONYMOUS, Principal

Authenticate: TypeAlias = Callable[[str], Principal]
"""The value of the `authorization` header → its Principal; raises Fault CREDENTIALS_INVALID."""
Serve: TypeAlias = Callable[[bytes, Call], bytes]


class Served(Protocol):
    """A compiled method, as `method.compile` makes it."""

    @property
    def method(self) -> Method:
        """What the contract says about it."""

    def answer(self, data: bytes, principal: Principal, deadline: Deadline, request_id: str, mark: Mark, field_mask: str) -> bytes:
        """Decode, authorise, check, act, encode; `mark` is told of each. Raises Fault for every refusal."""


QUESTIONS = frozenset({MethodKind.GET, MethodKind.LIST, MethodKind.AGGREGATE, MethodKind.DELETE, MethodKind.UNDELETE})
"""Kinds of methods whose requests hold no resource."""


def unary_handler(served: Served, *, authenticate: Authenticate, deadlines: DeadlineSettings, timings: str, observe: Observe) -> Handler:
    """What answers the calls of a compiled method: `bind_call`, for requests as large as the method needs."""
    serve = bind_call(served, authenticate=authenticate, deadlines=deadlines, timings=timings, observe=observe)
    return Handler(serve, message_bytes_max=limits.QUESTION_BYTES_MAX if served.method.kind in QUESTIONS else limits.VALUE_BYTES_MAX)


def bind_call(served: Served, *, authenticate: Authenticate, deadlines: DeadlineSettings, timings: str, observe: Observe) -> Serve:
    """Bind one unary RPC: what happens to it between the wire and its compiled method. `timings` is the setting."""
    path, answer = served.method.path, served.answer
    default_seconds, max_seconds = deadlines.default_seconds, deadlines.max_seconds

    def serve(data: bytes, call: Call) -> bytes:
        stages, principal, head = Stages(call.arrived_seconds), ANONYMOUS, read_metadata(call.metadata)
        stages.mark("queue")

        def cancelled() -> bool:
            return call.cancelled

        try:
            if head.authorization:
                principal = principal_of(head, authenticate)
            stages.mark("authenticate")
            seconds = call.remaining_seconds()
            if seconds > NO_DEADLINE_SECONDS:
                seconds = default_seconds
            deadline = Deadline.after(min(seconds, max_seconds), cancelled)
            if seconds <= 0:
                deadline.check()
            response = answer(data, principal, deadline, head.request_id, stages.mark, head.field_mask)
        except BaseException as problem:  # noqa: BLE001 - also SystemExit of a servicer: without a status the caller would wait for ever.
            # Nothing of it is kept in this frame, which its traceback has: the cycle would keep the request until a garbage collection.
            raise refuse(problem, head, principal, stages) from None
        if head.timings:
            call.trailing_metadata = times(timings, principal, stages)
        observe(CallDone(path, head.request_id, principal.subject, "OK", "", stages, trace_id=head.trace_id))
        return response

    def refuse(problem: BaseException, head: Head, principal: Principal, stages: Stages) -> Refused:
        """What the caller is told; the observers are told more."""
        fault, refusal, bug, cause = ending_of(problem, head.request_id)
        stages.mark("refuse")
        if head.timings:
            refusal.trailing_metadata = (*refusal.trailing_metadata, *times(timings, principal, stages))
        observe(CallDone(path, head.request_id, principal.subject, fault.code.name, fault.reason, stages, bug, cause, head.trace_id))
        return refusal

    return serve


def principal_of(head: Head, authenticate: Authenticate) -> Principal:
    """Who calls, by its credentials. Raises Fault CREDENTIALS_INVALID."""
    if head.doubled:
        raise Fault(Reason.CREDENTIALS_INVALID, problem="there are two authorizations.")
    return authenticate(head.authorization)


class Ending(NamedTuple):
    """How a call that failed is told to its caller, and what the log is told besides."""

    fault: Fault
    refusal: Refused
    bug: BaseException | None
    cause: BaseException | None


def ending_of(problem: BaseException, request_id: str) -> Ending:
    """A Fault as it is; of anything else, which is ours, nothing is said outside and everything inside."""
    fault, bug = (problem, None) if isinstance(problem, Fault) else (Fault(Reason.INTERNAL_FAULT, requestId=request_id), problem)
    try:
        refusal = refused(fault, request_id)
    except Exception as broken:  # noqa: BLE001 - a servicer's refusal that cannot be put into a message is a bug, too.
        return ending_of(broken, request_id)
    return Ending(fault, refusal, bug, fault.__cause__ if fault.code is Code.UNAVAILABLE else None)


def times(timings: str, principal: Principal, stages: Stages) -> Metadata:
    """The times of the stages as trailing metadata, for callers that may see them: they tell what was worked on."""
    if timings == "off" or (timings == "authenticated" and principal is ANONYMOUS):
        return ()
    return ((TIMINGS_KEY, ", ".join(f"{stage};dur={millis:g}" for stage, millis in stages.millis().items())),)

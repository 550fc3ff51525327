"""The life of a call, in order: `bind_call` is what surrounds every method, `method.served.Served.answer` what is inside."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeAlias

from protoplane.base.deadline import Deadline
from protoplane.base.errors import Code, Fault, Reason
from protoplane.base.observe import CallDone, Observe, Stages
from protoplane.base.settings import DeadlineSettings
from protoplane.contract.model import Method
from protoplane.edge.refusal import end, refuse, status_of
from protoplane.identity.principal import ANONYMOUS, Principal

if TYPE_CHECKING:
    import grpc

NO_DEADLINE_SECONDS = 1e9
"""grpcio gives some 292 years for a call without a deadline."""

Metadata: TypeAlias = Iterable[tuple[str, str | bytes]]
Authenticate: TypeAlias = Callable[[str], Principal]
"""The value of the `authorization` header → its Principal; raises Fault CREDENTIALS_INVALID."""
Serve: TypeAlias = Callable[[bytes, "grpc.ServicerContext"], bytes]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_made_ids = map((secrets.token_hex(6) + "-{:x}").format, itertools.count(1))
"""Ids for calls without one: unique and cheap, not secret."""


class Served(Protocol):
    """A compiled method, as `method.compile` makes it."""

    @property
    def method(self) -> Method:
        """What the contract says about it."""

    def answer(self, data: bytes, principal: Principal, deadline: Deadline, request_id: str, mark: Callable[[str], None]) -> bytes:
        """Decode, authorise, check, act, encode; `mark` is told of each. Raises Fault for every refusal."""


def bind_call(served: Served, *, authenticate: Authenticate, deadlines: DeadlineSettings, observe: Observe) -> Serve:
    """Bind one unary RPC: what happens to it between the wire and its compiled method."""
    path, answer = served.method.path, served.answer

    def serve(data: bytes, context: grpc.ServicerContext) -> bytes:
        stages, principal, request_id, bug = Stages(), ANONYMOUS, "", None

        def cancelled() -> bool:
            return not context.is_active()

        try:
            request_id, authorization = read_metadata(context.invocation_metadata())
            if authorization:
                principal = authenticate(authorization)
            stages.mark("authenticate")
            deadline = deadline_of(context, deadlines, cancelled)
            response = answer(data, principal, deadline, request_id, stages.mark)
        except Fault as refused:
            fault = refused
        except BaseException as broken:  # noqa: BLE001 - also SystemExit of a servicer: without a status the caller would wait for ever.
            # Ours: nothing about it is said outside, everything inside.
            fault, bug = Fault(Reason.INTERNAL_FAULT, requestId=request_id), broken
        else:
            observe(CallDone(path, request_id, principal.subject, "OK", "", stages))
            return response
        try:
            status = status_of(fault, request_id)
        except Exception as broken:  # noqa: BLE001 - a servicer's refusal that cannot be put into a message is a bug, too.
            fault, bug = Fault(Reason.INTERNAL_FAULT, requestId=request_id), broken
            status = status_of(fault, request_id)
        stages.mark("refuse")
        cause = fault.__cause__ if fault.code is Code.UNAVAILABLE else None
        observe(CallDone(path, request_id, principal.subject, fault.code.name, fault.reason, stages, bug, cause))
        del fault, bug, cause  # Their tracebacks have this frame.
        return end(context, status)

    return serve


def read_metadata(metadata: Metadata) -> tuple[str, str]:
    """The call's id (its own if it is a usable one, else a new one) and its `authorization`, empty for none.

    Raises Fault CREDENTIALS_INVALID when there are two: whichever we took, a proxy may have checked the other.
    """
    request_id = authorization = ""
    for key, value in metadata:
        if key == "authorization":
            if authorization:
                raise Fault(Reason.CREDENTIALS_INVALID, problem="there are two authorizations.")
            authorization = str(value) or "none"  # An empty header is a wrong one, not an anonymous call.
        elif key == "x-request-id" and _REQUEST_ID.fullmatch(str(value)):
            request_id = str(value)
    return request_id or next(_made_ids), authorization


def deadline_of(context: grpc.ServicerContext, deadlines: DeadlineSettings, cancelled: Callable[[], bool]) -> Deadline:
    """The caller's deadline within our bounds. Raises Fault DEADLINE_PASSED when there is no time left to work in."""
    seconds = context.time_remaining()
    if seconds > NO_DEADLINE_SECONDS:
        seconds = deadlines.default_seconds
    elif seconds <= 0:
        raise Fault(Reason.DEADLINE_PASSED)
    return Deadline.after(min(seconds, deadlines.max_seconds), cancelled)


def unknown_method(path: str, observe: Observe) -> Callable[[object, grpc.ServicerContext], NoReturn]:
    """What answers for a method that nobody serves, whatever its form: it does not read the request."""

    def serve(_requests: object, context: grpc.ServicerContext) -> NoReturn:
        stages = Stages()
        fault = Fault(Reason.METHOD_UNKNOWN, method=path)
        request_id = next(_made_ids)
        stages.mark("refuse")
        observe(CallDone(path, request_id, "", fault.code.name, fault.reason, stages))
        refuse(context, fault, request_id)

    return serve

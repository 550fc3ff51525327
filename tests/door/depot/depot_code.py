"""Code around a standard method (whoever creates a crate stamps it, by whatever way), and around a commit."""

from __future__ import annotations

from typing import Any

from depot.v1.depot import Notice  # type: ignore[import-not-found]  # Made by the server from the contract.
from protoplane_.commit.v1.commit import Write  # type: ignore[import-not-found]  # As above.

from protoplane.base.errors import Code, Refusal, Violation
from protoplane.method.custom import Call, Handler, Servicer


class Depots(Servicer, service="depot.v1.Depots"):
    """The methods of the service that are more than reading and writing rows."""

    def create_crate(self, call: Call, request: Any, serve: Handler[Any, Any]) -> Any:
        """The stamp is the caller's."""
        if request.crate.label == "bomb":
            violations = [Violation("crate.label", "cannot be kept here")]
            raise Refusal(Code.FAILED_PRECONDITION, "NOT_KEPT", domain="depot.v1", text="Not here.", violations=violations)
        request.crate.stamp = f"{call.method.name} by {call.principal.subject}"
        return serve(call, request)


class Notices(Servicer, service="depot.v1.Notices"):
    """Commits of notices."""

    def commit_notices(self, call: Call, request: Any, serve: Handler[Any, Any]) -> Any:
        """One more write than the caller asked for, by the caller's right."""
        write = Write(create=Write.Create())
        write.create.resource.type_url = f"type.googleapis.com/{Notice.DESCRIPTOR.full_name}"
        write.create.resource.value = Notice(text=f"by {call.principal.subject}").SerializeToString()
        request.writes.append(write)
        return serve(call, request)

"""Code around one standard method: whoever creates a crate stamps it, by whatever way."""

from __future__ import annotations

from typing import Any

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

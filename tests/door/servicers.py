"""Custom methods of the test library."""

from __future__ import annotations

from typing import Any

from protoplane.method.custom import Call, Servicer


class Library(Servicer, service="library.v1.Library"):
    """Two methods that only Python can serve."""

    def who_am_i(self, call: Call, request: Any) -> Any:
        """The caller's subject."""
        return call.method.response_class(subject=call.principal.subject)

    def ping(self, call: Call, request: Any) -> Any:
        """Nothing, for anyone."""
        return call.method.response_class()

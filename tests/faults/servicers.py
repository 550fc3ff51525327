"""The library's custom methods, and code that takes long or fills its storage when the test says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from protoplane.method.custom import Call, Servicer

SLOW = Path(__file__).with_name("slow")
"""While this file is there, a create goes on for ages after it has written its row."""
LONG_SCAN = "SELECT COUNT(*) FROM books a, books b, books c, books d WHERE a.page_count + b.page_count + c.page_count + d.page_count < 0"


class Library(Servicer, service="library.v1.Library"):
    """What the faults need beside the standard methods."""

    setting: str | None = None

    def create_book(self, call: Call, request: Any, serve: Any) -> Any:
        """Write, then dawdle."""
        if self.setting is not None:
            call.session.rows(self.setting)
        book = serve(call, request)
        if SLOW.exists():
            call.session.rows(LONG_SCAN)
        return book

    def create_publisher(self, call: Call, request: Any, serve: Any) -> Any:
        """A display name such as `PRAGMA max_page_count = 1` is run before every book from then on.

        It sets one connection, each thread has its own, and there is no other way to them.
        """
        if request.publisher.display_name.startswith("PRAGMA "):
            self.setting = request.publisher.display_name
        return serve(call, request)

    def who_am_i(self, call: Call, request: Any) -> Any:
        """The caller's subject."""
        return call.method.response_class(subject=call.principal.subject)

    def ping(self, call: Call, request: Any) -> Any:
        """Nothing, for anyone: no statement."""
        return call.method.response_class()

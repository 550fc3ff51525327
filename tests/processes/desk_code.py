"""The code of the desk: calls that last, and that leave a trace when they begin."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from desk.v1.desk import AskResponse, Note  # type: ignore[import-not-found]  # Made by the server from the contract.

from protoplane.method.custom import Call, Servicer

BEGUN = Path(__file__).parent / "begun"


class Desk(Servicer, service="desk.v1.Desk"):
    """Two methods that only Python can serve."""

    def ask(self, call: Call, request: Any) -> Any:
        """Who answers."""
        begin(request.id)
        time.sleep(request.seconds)
        return AskResponse(pid=os.getpid())

    def hold(self, call: Call, request: Any) -> Any:
        """Write, and wait with the row locked."""
        note = call.as_service().update(Note(name=request.name, text=request.text), "text")
        begin(request.text)
        time.sleep(request.seconds)
        return note


def begin(id: str) -> None:  # noqa: A002 - the field's name.
    """Note that a call has begun, in one write: others do so at the same time."""
    if id:
        with BEGUN.open("a") as file:
            file.write(f"{id}\n")

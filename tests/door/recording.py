"""What statements servers run in this process, as they run them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from protoplane.store.session import Session

Ran = list[tuple[str, tuple[object, ...]]]
PING = "SELECT 1"
"""What health asks."""


@contextmanager
def recorded() -> Iterator[Ran]:
    """The statements that are run meanwhile, with what is bound; what health asks, and the rows of those for many rows, are left out."""
    ran: Ran = []

    def noted(name: str) -> Callable[..., Any]:
        run: Callable[..., Any] = getattr(Session, name)

        def note(self: Session, sql: str, params: Sequence[Any] = ()) -> Any:
            if sql != PING:
                ran.append((sql, () if name == "execute_many" else tuple(params)))
            return run(self, sql, params)

        return note

    with pytest.MonkeyPatch.context() as patch:
        for name in ("execute", "execute_many", "rows"):
            patch.setattr(Session, name, noted(name))
        yield ran

"""The change log as it lies in the database, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.engines import Database

COLUMNS = (
    "transaction_id", "ordinal", "actor", "issuer", "method", "call_id", "request_id", "type", "name", "kind", "before", "after", "redacted",
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One entry."""

    transaction_id: bytes
    ordinal: int
    actor: str
    issuer: str
    method: str
    call_id: str
    request_id: str
    type: str
    name: str
    kind: str
    before: Any
    """Serialised; None where there was none."""
    after: Any
    redacted: str


def entries(database: Database, below: str = "", resource_type: str = "") -> list[Entry]:
    """All entries in the order of their ids, or those about one resource and what is below it."""
    quote = '"' if database.engine.name == "sqlite" else "`"
    columns = ", ".join(f"{quote}{column}{quote}" for column in COLUMNS)
    rows = database.execute(f"SELECT {columns} FROM protoplane_change ORDER BY transaction_id, ordinal")
    found = [Entry(*row) for row in rows]  # type: ignore[arg-type]  # As the columns are.
    return [
        each for each in found if (each.name == below or each.name.startswith(below and f"{below}/")) and resource_type in {"", each.type}
    ]


def parsed(message_class: Any, data: bytes | None) -> Any:
    """What an entry holds, as a message; None for nothing."""
    return None if data is None else message_class.FromString(data)

"""The change log as it lies in the database, for tests."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from protoplane.base.deadline import Deadline
from protoplane.changes.redaction import compile_redaction
from protoplane.contract.model import Contract, Resource
from protoplane.store.codec import compile_codec
from protoplane.store.engine import Engine
from protoplane.store.statements import render
from protoplane.store.tables import Table
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
        each
        for each in found
        if (not below or each.name == below or each.name.startswith(f"{below}/")) and resource_type in {"", each.type}
    ]


def parsed(message_class: Any, data: bytes | None) -> Any:
    """What an entry holds, as a message; None for nothing."""
    return None if data is None else message_class.FromString(data)


def told(found: Iterable[Entry]) -> dict[str, bytes]:
    """What the log says is there now, by name: of each resource the one state that it came to and did not leave.

    Whatever the order of the entries: each must begin with what another ended with.
    """
    balances: dict[str, Counter[bytes | None]] = defaultdict(lambda: Counter([None]))
    for entry in found:
        balances[entry.name][entry.after] += 1
        balances[entry.name][entry.before] -= 1
    now: dict[str, bytes] = {}
    for name, balance in balances.items():
        left = [state for state, count in balance.items() if count]
        assert [balance[state] for state in left] == [1], f"the log of {name} has a gap: {balance}"
        if left[0] is not None:
            now[name] = left[0]
    return now


def stored(engine: Engine, contract: Contract, resource: Resource) -> dict[str, bytes]:
    """What is there, by name, as the log would have it."""
    table = Table(resource, contract, engine.dialect)
    select = render(table.source.select(*(table.read(column) for column in table.columns)), engine.database).sql
    fill, redact = compile_codec(table).fill, compile_redaction(resource)
    found: dict[str, bytes] = {}
    for row in engine.read(lambda session: session.rows(select), Deadline.after(60)):
        message: Any = resource.message_class()
        fill(message, row)
        public = message if redact is None else redact(message)[0]
        found[message.name] = public.SerializeToString(deterministic=True)
    return found


def check_log(database: Database, contract: Contract) -> None:
    """The log says of every resource what its table says: no write went past it, and none is in it that was not."""
    engine = Engine(database.url, threads=1)
    try:
        for resource in contract.resources.values():
            said, there = told(entries(database, resource_type=resource.type)), dict[str, bytes]()
            for variant in contract.variants(resource):
                there |= stored(engine, contract, variant)
            assert said == ({} if resource.unlogged else there), f"the log and the tables of {resource.type} differ"
    finally:
        engine.close()

"""The log of relation tuples: who gave which relation to whom, and who took it away.

Entries are of the type `protoplane.access.v1.RelationTuple`, under the name of the resource. What creators get, and what goes with a resource,
has none of its own: it is told by the entry of the resource.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from protoplane.access.naming import Names
from protoplane.access.tuples import RelationTuple
from protoplane.changes.log import ChangeKind, Entry, Log
from protoplane.contract.model import Contract
from protoplane.store.engine import Engine
from protoplane.store.session import Session

TYPE = "protoplane.access.v1.RelationTuple"


class TupleLog:
    """Of one contract's relations."""

    def __init__(self, contract: Contract, names: Names, engine: Engine) -> None:
        self._new: Any = contract.messages[TYPE]
        self._names, self._log = names, Log(TYPE, None, engine)

    def record(self, session: Session, kind: ChangeKind, tuples: Sequence[RelationTuple]) -> None:
        """Tuples that were written, or that are no more."""
        entries: list[Entry] = []
        for held in tuples:
            message = self._new()
            fill_tuple(message, held, self._names)
            sealed = self._log.seal(message)
            entries.append((message.resource, None, sealed) if kind is ChangeKind.CREATED else (message.resource, sealed, None))
        if entries:
            self._log.record(session, kind, entries)


def fill_tuple(message: Any, held: RelationTuple, names: Names) -> None:
    """Put a tuple into a RelationTuple message."""
    message.resource, message.relation, message.subject = names.name(held.object), held.relation, names.text(held.subject)
    if held.condition:
        message.condition.name = held.condition
        if held.context:
            message.condition.context.update(json.loads(held.context))

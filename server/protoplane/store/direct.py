"""Whether a tuple of an object names a subject: a look at the key, a tenth of the work of a walk.

A server spends most of a walk on planning it, whatever comes of it; and much of what callers may, they may by a tuple of their own.
"""

# ruff: noqa: S608 - as in `store.closure`.

from __future__ import annotations

from collections.abc import Iterable

from protoplane.store.closure import Asker, Closures, quoted
from protoplane.store.statements import Statement
from protoplane.store.tuples import Node


def direct(closures: Closures, node: Node, asker: Asker) -> Statement | None:
    """A row, if a tuple that counts by itself says that the subject, or everybody, is at a node of an object: then nothing else matters.

    Slots: `subject`, `object`. None where no tuple can.
    """
    source = closures.sources.tuples
    found = [row for given, rows in closures.seeds([node], asker) if given is source for row in rows]
    own = {str(relation) for _, _, relation, subject_id in found if not subject_id}
    every = {str(relation) for _, _, relation, subject_id in found if subject_id}
    if not found:
        return None
    ids = "= @subject@" if not every else "IN (@subject@, '*')" if own else "= '*'"
    key = [
        f"t.object_type = {quoted(node.type)}",
        "t.object_id = @object@",
        f"t.relation IN {_listed(own | every)}",
        f"t.subject_type = {quoted(asker.type)}",
        "t.subject_relation = ''",
        f"t.subject_id {ids}",
    ]
    if own and every and own != every:  # Everybody counts where the model admits everybody, and anybody where it admits those.
        right = (f"t.subject_id {sign} '*' AND t.relation IN {_listed(some)}" for sign, some in (("<>", own), ("=", every)))
        key.append(f"({' OR '.join(right)})")
    return closures.statement(f"SELECT 1 FROM {source.forward} WHERE {' AND '.join(key)} LIMIT 1")


def _listed(relations: Iterable[str]) -> str:
    return f"({', '.join(map(quoted, sorted(relations)))})"

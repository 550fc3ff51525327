"""What filters see inside columns of JSON: elements of repeated fields and maps, and the fields of messages in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from peewee import Case, Node, fn

from protoplane.contract.model import Field, Label, Presence
from protoplane.query.columns import Inner, Level
from protoplane.query.predicate import join
from protoplane.store.dialect import Dialect
from protoplane.store.kinds import DEFAULTS, ELEMENT_STORAGE
from protoplane.store.schema import Storage


def any_element(
    dialect: Dialect, document: Node, levels: Sequence[Level], test: Callable[[Sequence[Node], Inner], Node], keys: Sequence[Node] = ()
) -> Node:
    """See `Columns.any_element`: one EXISTS for each level, each over the elements of the one around it."""
    level, inner = levels[0], levels[1:]
    storage = _storage(level)
    elements = dialect.json_elements(
        document,
        storage,
        keyed=level.holder.label is Label.MAP,
        alias=f"element_{len(keys)}" if keys else "element",
        at=[member.name for member in level.members],
        anything=_may_be_scalar(level),
    )
    keys = (*keys, elements.key)
    if inner:
        return elements.exists(any_element(dialect, elements.value, inner, test, keys))
    there = elements.there[-1] if elements.there else None
    return elements.exists(test(keys, Inner(_value(level, elements.value, elements.there[:-1], storage), there)))


def _value(level: Level, value: Node, messages: Sequence[Node], storage: Storage) -> Node:
    """A field with implicit presence is left out of the JSON when it has its default; where its message is unset it has none."""
    if not level.members or not _has_default(level.last, storage):
        return value
    value = fn.COALESCE(value, "" if storage is Storage.BYTES else DEFAULTS[storage])  # Bytes are base64 there.
    return Case(None, ((join("AND", messages), value),)) if messages else value


def _has_default(field: Field, storage: Storage) -> bool:
    return field.presence is Presence.IMPLICIT and field.label is Label.SINGULAR and storage in DEFAULTS


def _may_be_scalar(level: Level) -> bool:
    """Whether what is JSON may be a scalar, too: a Value."""
    last = level.last
    return (
        last.message is not None
        and last.message.full_name == "google.protobuf.Value"
        and not (level.members and last.label is Label.REPEATED)
    )


def _storage(level: Level) -> Storage:
    if level.members and level.last.label is not Label.SINGULAR:
        return Storage.JSON
    return ELEMENT_STORAGE.get(level.last.kind, Storage.JSON)

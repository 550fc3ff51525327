"""What the log must not hold: sensitive and INPUT_ONLY fields. Their values stay out; that they changed does not.

Compiled once per resource over exactly the fields that matter; most resources have none, and cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from google.protobuf.message import Message

from protoplane.contract.model import Behavior, Field, Kind, Label, Presence, Resource

Hidden: TypeAlias = Mapping[str, object]
"""Values of the fields that are kept out, by path; only those that are set. Never written anywhere: for telling whether they changed."""

NOTHING: Hidden = {}

Redact: TypeAlias = Callable[[Message], tuple[Message, Hidden]]
"""A message without what must not be logged (a copy), and what that was."""


def compile_redaction(resource: Resource) -> Redact | None:
    """The redaction of a resource's messages; None when nothing of it must be kept out."""
    paths = tuple(_secret_paths(resource.fields, (), {resource.message.full_name: resource.fields}))
    if not paths:
        return None
    new = resource.message_class

    def redact(message: Message) -> tuple[Message, Hidden]:
        public = new()
        public.CopyFrom(message)
        taken = {path[-1].path: _take(public, path) for path in paths}
        return public, {path: values for path, values in taken.items() if values}

    return redact


def changed_paths(before: Hidden, after: Hidden) -> str:
    """The paths of hidden fields whose values differ, in order, with commas between."""
    return ",".join(sorted(path for path in {**before, **after} if before.get(path) != after.get(path)))


def _is_secret(field: Field) -> bool:
    return field.sensitive or field.has(Behavior.INPUT_ONLY)


def _secret_paths(fields: Sequence[Field], above: tuple[Field, ...], types: Mapping[str, Sequence[Field]]) -> Iterable[tuple[Field, ...]]:
    """The ways from the resource to each field that is kept out. `types` are the fields of the messages around, by full name.

    A field whose message stands around it (a type that contains itself) is kept out whole when anything in that type is.
    """
    for field in fields:
        way = (*above, field)
        inner = field.message.full_name if field.message is not None else ""
        if _is_secret(field) or (inner in types and _has_secret(types[inner])):
            yield way
        elif field.kind is Kind.MESSAGE:
            yield from _secret_paths(field.fields, way, {**types, inner: field.fields})


def _has_secret(fields: Sequence[Field]) -> bool:
    return any(_is_secret(field) or _has_secret(field.fields) for field in fields)


def _take(message: Any, way: Sequence[Field]) -> list[object]:
    """Clear what a way leads to and give its values: one for each message that holds any."""
    field, rest = way[0], way[1:]
    if not rest:
        value = _value(message, field)
        message.ClearField(field.name)
        return [] if value is None else [value]
    held = getattr(message, field.name)
    if field.label is Label.REPEATED:
        return [(index, value) for index, inner in enumerate(held) for value in _take(inner, rest)]
    if field.label is Label.MAP:
        return [(key, value) for key in sorted(held) for value in _take(held[key], rest)]
    return _take(held, rest) if message.HasField(field.name) else []


def _value(message: Any, field: Field) -> object:
    """A copy of a field's value that can be compared; None when it is not set."""
    held = getattr(message, field.name)
    if field.label is Label.REPEATED:
        return [_plain(one) for one in held] or None
    if field.label is Label.MAP:
        return {key: _plain(held[key]) for key in held} or None
    if field.presence is Presence.EXPLICIT:
        return _plain(held) if message.HasField(field.name) else None
    return held or None


def _plain(value: Any) -> object:
    return value.SerializeToString(deterministic=True) if isinstance(value, Message) else value

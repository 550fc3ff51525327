"""Field masks of reads (AIP-157, AIP-161): which fields an answer holds.

Readings, where the AIPs leave room:

- The answer holds exactly what the mask says: `name` and `etag` too only when they are named.
- `*` is everything that is stored. Expansions are filled only where they are named: `*,expanded_airline`.
- Elements of lists are narrowed by `chapters.heading` or `chapters.*.heading`, values of maps by `reviews.*.rating`; one entry of a
  map is `labels.en`. No element has a path of its own.
- INPUT_ONLY fields cannot be named: they are never shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.message import Message

from protoplane.base import limits
from protoplane.contract.expansions import EXPANSIONS_DEEP_MAX
from protoplane.contract.model import Behavior, Field, Kind, Label
from protoplane.query.caret import nearest, quote
from protoplane.query.mask import MapKey, map_key, parse_path, refuse_mask

SIDE_CHANNEL: Final = "x-goog-fieldmask"
"""The metadata that holds a mask of the response: paths with commas between them (AIP-157)."""

_ITEM = re.compile(r"(?:`[^`]*`|[^,`])*+")


@dataclass(slots=True)
class Part:
    """What a mask says of one message, list or map: all of it, or some of its fields, of its entries, or of every element."""

    whole: bool = False
    fields: dict[str, Part] = field(default_factory=dict)
    entries: dict[MapKey, Part] = field(default_factory=dict)
    every: Part | None = None

    def below(self, name: str) -> Part | None:
        """What is said of a field; None when it is left out."""
        return self if self.whole else self.fields.get(name)

    def names(self, path: str) -> bool:
        """Whether the field at a dotted path is named, or anything around it or below it."""
        part: Part | None = self
        for name in path.split("."):
            if part is None or part.whole:
                break
            part = part.fields.get(name)
        return part is not None

    def element(self) -> Part:
        """What is said of the elements of the list that this is about."""
        every = self.every or Part()
        return Part(whole=True, fields=every.fields) if self.whole else every


Inside = Callable[[Field], Sequence[Field]]
"""The fields of the message that a field holds: of an expansion those of the resource that fills it."""


class ReadMasks:
    """Reads the masks of one message. `source` names where they stand: `read_mask`, or the side channel."""

    def __init__(self, fields: Sequence[Field], inside: Inside, owner: str, *, expands: bool = True) -> None:
        self.fields, self._inside, self._owner, self._expands = fields, inside, owner, expands

    def read(self, paths: Sequence[str], source: str) -> Part:
        """What the paths say. Raises INVALID_FIELD_MASK."""
        if len(paths) > limits.MASK_PATHS_MAX:
            raise refuse_mask(
                paths[limits.MASK_PATHS_MAX], f"a mask has at most {limits.MASK_PATHS_MAX} paths, this one has {len(paths)}.", source
            )
        root = Part()
        for path in paths:
            if path == "*":
                root.whole = True
            else:
                self._add(root, path, source)
        return root

    def _add(self, root: Part, path: str, source: str) -> None:
        part, fields, owner, deep = root, self.fields, self._owner, 0
        parts = parse_path(path, source)
        at = 0
        while at < len(parts):
            name, at = parts[at][0], at + 1
            found = next((f for f in fields if f.name == name), None)
            if found is None:
                raise refuse_mask(path, f"{owner} has no field {quote(name)}{self._nearest(name, fields)}", source)
            deep += bool(found.expand)
            self._check(found, path, deep, source)
            part, owner, fields = part.fields.setdefault(name, Part()), f"'{found.path}'", self._inside(found)
            if at < len(parts) and found.label is not Label.SINGULAR:
                part, at = _step_in(part, found, parts, at, path, source)
            if at < len(parts) and not fields:
                raise refuse_mask(path, f"{owner} has no fields that a mask can name.", source)
        part.whole = True

    def _nearest(self, name: str, fields: Sequence[Field]) -> str:
        """A suggestion to append: of an answer with a list it is the list that most masks mean."""
        lists = [field.name for field in fields if field.label is Label.REPEATED and name in {f.name for f in self._inside(field)}]
        return f"; did you mean '{lists[0]}.{name}'?" if lists else nearest(name, [field.name for field in fields])

    def _check(self, found: Field, path: str, deep: int, source: str) -> None:
        if found.has(Behavior.INPUT_ONLY):
            raise refuse_mask(path, f"'{found.path}' is only ever given, and never shown.", source)
        if deep and not self._expands:
            raise refuse_mask(path, f"'{found.path}' is filled in answers of methods that read.", source)
        if deep > EXPANSIONS_DEEP_MAX:
            raise refuse_mask(path, f"it goes through more than {EXPANSIONS_DEEP_MAX} expansions.", source)


def _step_in(part: Part, found: Field, parts: Sequence[tuple[str, bool]], at: int, path: str, source: str) -> tuple[Part, int]:
    """Into the elements of a list or the entries of a map: what is said of them, and how far the path was read."""
    text, quoted = parts[at]
    star = text == "*" and not quoted
    if found.label is Label.MAP and not star:
        return part.entries.setdefault(map_key(path, found, text, quoted, source), Part()), at + 1
    if re.fullmatch(r"-?[0-9]+", text):
        raise refuse_mask(path, f"'{found.path}' is repeated: its elements have no paths.", source)
    if part.every is None:
        part.every = Part()
    return part.every, at + star


def split_paths(text: str) -> tuple[str, ...]:
    """The paths in the text of the side channel; commas in backticks are part of a path."""
    paths: list[str] = []
    at = 0
    while at <= len(text):
        found = _ITEM.match(text, at)
        end = found.end() if found is not None and (found.end() == len(text) or text[found.end()] == ",") else len(text)
        paths.append(text[at:end].strip())
        at = end + 1
    return tuple(paths)


def needs_trim(part: Part, fields: Sequence[Field]) -> bool:
    """Whether a mask narrows inside a list or a map, which is stored and read as one."""
    for one in fields:
        below = part.below(one.name)
        if below is None or below.whole or one.expand:
            continue
        if one.label is not Label.SINGULAR or needs_trim(below, one.fields):
            return True
    return False


def trim(message: Message, part: Part) -> None:
    """Clear, in place, what a mask leaves out of a message."""
    if part.whole:
        return
    for descriptor, value in message.ListFields():
        below = part.fields.get(descriptor.name)
        if below is None:
            message.ClearField(descriptor.name)
        elif not below.whole:
            _trim_value(value, below, keyed=descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry)


def _trim_value(value: Any, part: Part, *, keyed: bool) -> None:
    if keyed:
        for key in list(value):
            below = part.every or part.entries.get(key)
            if below is None:
                del value[key]
            elif not below.whole:
                trim(value[key], _either(part.every, part.entries.get(key)))
    elif isinstance(value, Message):
        trim(value, part)
    elif part.every is not None and not part.every.whole:
        for element in value:
            trim(element, part.every)


def _either(one: Part | None, other: Part | None) -> Part:
    """What either of two parts says of a message."""
    if one is None or other is None:
        return one or other or Part()
    if one.whole or other.whole:
        return Part(whole=True)
    return Part(
        fields={name: _either(one.fields.get(name), other.fields.get(name)) for name in {**one.fields, **other.fields}},
        entries={key: _either(one.entries.get(key), other.entries.get(key)) for key in {**one.entries, **other.entries}},
        every=_either(one.every, other.every) if one.every or other.every else None,
    )


def resource_fields(fields_of: Mapping[str, Sequence[Field]]) -> Inside:
    """How fields lead on, where `fields_of` gives those of the resources, by the full name of their message."""

    def inside(one: Field) -> Sequence[Field]:
        if one.kind is not Kind.MESSAGE or one.message is None:
            return ()
        return fields_of.get(one.message.full_name, one.fields)

    return inside

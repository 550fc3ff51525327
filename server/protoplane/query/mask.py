"""Field masks of updates (AIP-134, AIP-161): which fields a request replaces, and the merge.

Readings, where the AIPs leave room:

- No mask: every populated field, down to the leaves. A nested message that is given changes only what it gives.
- A message named whole, or `*`, is replaced: what the request leaves out is cleared.
- OUTPUT_ONLY and IDENTIFIER fields keep their stored values, wherever they lie and however they are named.
- An IMMUTABLE field may be given as it is stored. Reached through `*` or the message around it, it may also be left out.
- `labels.en` sets or removes one entry of a map; keys that are no words stand in backticks, doubled inside: labels.`a b`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from google.protobuf.message import Message

from protoplane.base import limits
from protoplane.base.errors import Fault, Reason, Violation, invalid_fields, shorten
from protoplane.contract.model import Behavior, Field, Kind, Label, Presence, Resource
from protoplane.query.caret import nearest, quote
from protoplane.query.literal import INTEGERS

_PART = re.compile(r"`((?:[^`]|``)*+)`|([^`.]++)")
MapKey: TypeAlias = str | int | bool
"""A key of a map field, of the type its contract gives."""


@dataclass(slots=True)
class Node:
    """What a mask says of one message: `whole`, or of some of its fields (by name) or map entries (by key)."""

    whole: bool = False
    fields: dict[str, Node] = field(default_factory=dict)
    entries: dict[MapKey, Node] = field(default_factory=dict)


class Writer(Enum):
    """Whose change an update is."""

    CALLER = "caller"
    AROUND = "around"
    """A caller's, seen by code around the standard method, which may have set OUTPUT_ONLY fields."""
    CODE = "code"
    """The service's own: it may set and clear OUTPUT_ONLY fields."""


class Mask:
    """The fields that an update replaces."""

    def __init__(self, resource: Resource, root: Node) -> None:
        self._resource = resource
        self._root = root

    def apply(self, stored: Message, given: Message, *, prefix: str = "", writer: Writer = Writer.CALLER) -> None:
        """Merge `given` into `stored` where the mask says so; both are the resource's message.

        Raises INVALID_FIELDS, with a violation for each, when IMMUTABLE fields would change; `stored` is then half
        merged and of no use. `prefix` is put before the paths of violations: `book.`. `writer` says whose change
        it is: OUTPUT_ONLY fields are closed to callers, not to the service's own code.
        """
        merge = _Merge(prefix, writer)
        merge.message(self._resource.fields, self._root, stored, given)
        if merge.violations:
            raise invalid_fields(merge.violations)

    def names(self, path: str) -> bool:
        """Whether the field at a dotted path is named, or anything around it or below it."""
        node: Node | None = self._root
        for name in path.split("."):
            if node is None or node.whole:
                break
            node = node.fields.get(name)
        return node is not None


def compile_mask(paths: Sequence[str], resource: Resource, given: Message) -> Mask:
    """The mask of an update_mask's paths; with none, that of the populated fields of `given`. Raises INVALID_FIELD_MASK."""
    if not paths:
        return implied_mask(resource, given)
    if len(paths) > limits.MASK_PATHS_MAX:
        raise refuse_mask(paths[limits.MASK_PATHS_MAX], f"a mask has at most {limits.MASK_PATHS_MAX} paths, this one has {len(paths)}.")
    if "*" in paths:
        if len(paths) > 1:
            raise refuse_mask("*", "it means every field and stands alone.")
        return whole_mask(resource)
    root = Node()
    for path in paths:
        _add(root, resource, path)
    return Mask(resource, root)


def whole_mask(resource: Resource) -> Mask:
    """The mask `*`: every field."""
    return Mask(resource, Node(whole=True))


def implied_mask(resource: Resource, given: Message) -> Mask:
    """The mask of everything populated in `given`, down to the leaves; repeated fields and maps are leaves."""
    return Mask(resource, _populated(resource.fields, given))


def parse_path(path: str, source: str = "update_mask") -> list[tuple[str, bool]]:
    """The parts of a path: (text, whether it stood in backticks). Raises INVALID_FIELD_MASK; `source` is where the mask stands."""
    if len(path) > limits.MASK_PATH_CHARACTERS_MAX:
        raise refuse_mask(path, f"it is longer than {limits.MASK_PATH_CHARACTERS_MAX} characters.", source)
    parts: list[tuple[str, bool]] = []
    at = 0
    while True:
        found = _PART.match(path, at)
        if found is None:
            problem = "this backtick is never closed." if path[at : at + 1] == "`" else "a part of it is empty."
            raise refuse_mask(path, problem, source)
        quoted, plain = found.groups()
        parts.append((quoted.replace("``", "`"), True) if plain is None else (plain, False))
        at = found.end()
        if at == len(path):
            return parts
        if path[at] != ".":
            raise refuse_mask(path, "its parts are joined by dots.", source)
        at += 1


def _add(root: Node, resource: Resource, path: str) -> None:
    node, fields, owner = root, resource.fields, f"the resource '{resource.singular}'"
    parts = parse_path(path)
    at = 0
    while at < len(parts):
        name, at = parts[at][0], at + 1
        found = next((f for f in fields if f.name == name), None)
        if found is None:
            raise refuse_mask(path, f"{owner} has no field {quote(name)}{nearest(name, [f.name for f in fields])}")
        node, owner = node.fields.setdefault(name, Node()), f"'{found.path}'"
        if found.expand:
            break  # OUTPUT_ONLY, whatever lies in it.
        fields = found.fields if found.kind is Kind.MESSAGE else ()
        if at < len(parts) and found.label is Label.MAP:
            node, at = node.entries.setdefault(map_key(path, found, *parts[at]), Node()), at + 1
        elif at < len(parts) and found.label is Label.REPEATED:
            raise refuse_mask(path, f"{owner} is repeated: it is replaced as a whole, its elements have no paths.")
        if at < len(parts) and not fields:
            raise refuse_mask(path, f"{owner} has no fields that a mask can name.")
    node.whole = True


def map_key(path: str, field: Field, text: str, quoted: bool, source: str = "update_mask") -> MapKey:  # noqa: FBT001 - a part, spread.
    """The key of a map that a part of a path names. Raises INVALID_FIELD_MASK."""
    assert field.key is not None
    if field.key.kind is Kind.STRING:
        if text == "*" and not quoted:
            raise refuse_mask(path, "'*' stands for all fields only alone; a key that is a star stands in backticks.", source)
        return text
    if field.key.kind is Kind.BOOL and text in ("true", "false"):
        return text == "true"
    if field.key.kind is not Kind.BOOL and re.fullmatch(r"0|-?[1-9][0-9]{0,19}", text):
        low, high = INTEGERS[field.key.kind]
        if low <= int(text) <= high:
            return int(text)
    raise refuse_mask(path, f"{quote(text)} is no key of the map '{field.path}', whose keys are {field.key.kind}.", source)


class _Merge:
    """One merge; collects a violation for each IMMUTABLE field that would change."""

    def __init__(self, prefix: str, writer: Writer) -> None:
        self.prefix = prefix
        self.writer = writer
        self.violations: list[Violation] = []

    def message(self, fields: Sequence[Field], node: Node, stored: Message, given: Message) -> None:
        for one in fields:
            below = node.fields.get(one.name)
            if (node.whole or below is not None) and self.may_change(one, given) and self.leaves_others(one, fields, stored, given):
                self.field(one, below or _WHOLE, stored, given, through=node.whole)

    def may_change(self, one: Field, given: Message) -> bool:
        """Whether who updates may write the field at all."""
        if one.mutable or one.has(Behavior.IDENTIFIER):
            return one.mutable
        match self.writer:
            case Writer.CALLER:
                return False
            case Writer.AROUND:  # What is empty was emptied before the code ran; only what is there is the code's.
                return not _is_empty(one, given)
            case Writer.CODE:
                return True

    def field(self, one: Field, node: Node, stored: Message, given: Message, *, through: bool) -> None:
        """Merge one field that the mask names; `through`: it was named by what is around it."""
        if one.has(Behavior.IMMUTABLE):
            if not (through and _is_empty(one, given)) and not self.is_unchanged(one, node, stored, given):
                description = f"'{one.path}' is immutable: it can be set when the resource is created, and not changed."
                self.violations.append(Violation(f"{self.prefix}{one.path}", description, "IMMUTABLE"))
        elif one.label is Label.MAP and not node.whole:
            self.entries(one, node, stored, given)
        elif one.kind is Kind.MESSAGE and one.label is Label.SINGULAR:
            self.nested(one, node, stored, given)
        else:
            _replace(one, stored, given)

    def leaves_others(self, one: Field, fields: Sequence[Field], stored: Message, given: Message) -> bool:
        """Whether setting a member of a oneof clears no other that may not change; notes a violation when it would."""
        if not one.oneof or not given.HasField(one.name):
            return True
        held = stored.WhichOneof(one.oneof)
        other = next((field for field in fields if field.name == held), one)
        if other is one or (self.may_change(other, given) and not other.has(Behavior.IMMUTABLE)):
            return True
        description = f"'{one.path}' cannot be set: it would clear '{other.path}', which cannot be changed."
        self.violations.append(Violation(f"{self.prefix}{one.path}", description, "IMMUTABLE"))
        return False

    def nested(self, one: Field, node: Node, stored: Message, given: Message) -> None:
        if given.HasField(one.name):
            _value(stored, one).SetInParent()
        elif node.whole and (self.writer is Writer.CODE or not _holds_kept(one.fields, _value(stored, one))):
            stored.ClearField(one.name)
            return
        elif not stored.HasField(one.name):
            return
        self.message(one.fields, node, _value(stored, one), _value(given, one))

    def entries(self, one: Field, node: Node, stored: Message, given: Message) -> None:
        kept, new = _value(stored, one), _value(given, one)
        for key, below in node.entries.items():
            if below.whole and key not in new:
                kept.pop(key, None)
            elif one.kind is not Kind.MESSAGE:
                kept[key] = new[key]
            elif below.whole:
                kept[key].CopyFrom(new[key])
            elif key in new or key in kept:
                self.message(one.fields, below, kept[key], new[key] if key in new else type(kept[key])())

    def is_unchanged(self, one: Field, node: Node, stored: Message, given: Message) -> bool:
        """Whether merging the field, were it mutable, would leave it as it is."""
        if one.label is Label.MAP and not node.whole:
            kept, new = _value(stored, one), _value(given, one)
            return all((key in kept) == (key in new) and (key not in kept or kept[key] == new[key]) for key in node.entries)
        if (node.whole or one.kind is not Kind.MESSAGE) and _has_presence(one) and stored.HasField(one.name) != given.HasField(one.name):
            return False
        kept, new = _value(stored, one), _value(given, one)
        if one.kind in {Kind.TIMESTAMP, Kind.DURATION} and one.label is Label.SINGULAR:
            return bool(kept.seconds == new.seconds and kept.nanos // 1_000 == new.nanos // 1_000)  # What is stored was floored.
        if one.kind is Kind.MESSAGE and one.label is Label.SINGULAR:
            named = [
                (f, node.fields.get(f.name) or _WHOLE)
                for f in one.fields
                if self.may_change(f, new) and (node.whole or f.name in node.fields)
            ]
            return all(self.is_unchanged(f, below, kept, new) for f, below in named)
        return bool(kept == new)


def _replace(one: Field, stored: Message, given: Message) -> None:
    """The field of `stored` becomes that of `given`; unset becomes unset."""
    if one.label is Label.SINGULAR and (not _has_presence(one) or given.HasField(one.name)):
        if one.message is None:
            setattr(stored, one.name, _value(given, one))
        else:
            _value(stored, one).CopyFrom(_value(given, one))
        return
    stored.ClearField(one.name)
    if one.label is not Label.SINGULAR:
        _value(stored, one).MergeFrom(_value(given, one))


def _holds_kept(fields: Sequence[Field], stored: Message) -> bool:
    """Whether a message holds anything an update may not clear: it then stays, with that alone."""
    for one in fields:
        if _is_empty(one, stored):
            continue
        if not one.mutable:
            return True
        if one.kind is Kind.MESSAGE and one.label is Label.SINGULAR and _holds_kept(one.fields, _value(stored, one)):
            return True
    return False


def _populated(fields: Sequence[Field], given: Message) -> Node:
    node = Node()
    for one in fields:
        if one.kind is Kind.MESSAGE and one.label is Label.SINGULAR:
            if given.HasField(one.name):
                node.fields[one.name] = _populated(one.fields, _value(given, one))
        elif given.HasField(one.name) if _has_presence(one) else not _is_empty(one, given):
            node.fields[one.name] = _WHOLE
    return node


def _is_empty(one: Field, owner: Message) -> bool:
    """Whether the field has its default value; a message (a time, a wrapper) is empty when it is not there."""
    if one.label is not Label.SINGULAR:
        return len(_value(owner, one)) == 0
    if one.message is not None:
        return not owner.HasField(one.name)
    return not _value(owner, one)


def _has_presence(one: Field) -> bool:
    return one.label is Label.SINGULAR and (one.presence is Presence.EXPLICIT or one.message is not None)


def _value(owner: Message, one: Field) -> Any:
    """The value of a field: protobuf has no other way to it than by name."""
    return getattr(owner, one.name)


def refuse_mask(path: str, problem: str, source: str = "update_mask") -> Fault:
    """INVALID_ARGUMENT for a path of the mask that stands at `source`; `problem` is a sentence without its first words."""
    violation = Violation(source, f"The path '{shorten(path)}' cannot be used: {problem}", Reason.INVALID_FIELD_MASK.value)
    return Fault(Reason.INVALID_FIELD_MASK, violations=[violation], path=path, problem=problem)


_WHOLE = Node(whole=True)

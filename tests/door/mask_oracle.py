"""Paths that masks may have, made from descriptors, and slow, obvious versions of what an update and a read do with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import strategies as st

KEYS: dict[int, list[Any]] = {
    FieldDescriptor.TYPE_STRING: ["", "a", "b c", "d.e", "`", "*", "x,y", "k0 "],
    FieldDescriptor.TYPE_INT32: [0, -1, 7],
    FieldDescriptor.TYPE_BOOL: [True, False],
}
"""Keys of maps that paths name, by type."""

FIXED = frozenset({"name", "etag"})
"""Fields that no caller can change; masks that name them are another matter."""


@dataclass(frozen=True)
class Key:
    """A part of a path that is an entry of a map, or (`every`) each element of a list or a map."""

    value: Any = None
    every: bool = False

    def __str__(self) -> str:
        if self.every:
            return "*"
        text = str(self.value).lower() if isinstance(self.value, bool) else str(self.value)
        return text if text.replace("-", "").isalnum() else f"`{text.replace('`', '``')}`"


Path: TypeAlias = tuple[str | Key, ...]


def text_of(path: Path) -> str:
    """The path as it stands in a mask."""
    return ".".join(map(str, path))


def opened(descriptor: Descriptor | None) -> Descriptor | None:
    """The message a field holds, if masks look into it: one of the contract's own that does not hold itself."""
    return descriptor if descriptor is not None and descriptor.file.package == "library.v1" and descriptor.name != "Node" else None


@st.composite
def paths(draw: st.DrawFn, descriptor: Descriptor, *, reading: bool) -> Path:
    """A path that a mask of an update may have, or (`reading`) one of a read, which goes into lists too."""
    found = draw(st.sampled_from([field for field in descriptor.fields if field.name not in FIXED]))
    path: Path = (found.name,)
    inside: Descriptor | None = found.message_type
    if inside is not None and inside.GetOptions().map_entry:
        keys = [Key(key) for key in KEYS[inside.fields_by_name["key"].type]] + ([Key(every=True)] if reading else [])
        if not draw(st.booleans()):
            return path
        path, inside = (*path, draw(st.sampled_from(keys))), inside.fields_by_name["value"].message_type
    elif found.is_repeated:
        if not reading or not draw(st.booleans()):
            return path
        path = (*path, Key(every=True))
    inner = opened(inside)
    return path if inner is None or not draw(st.booleans()) else (*path, *draw(paths(inner, reading=reading)))


def updated(stored: Any, given: Any, mask: Sequence[Path]) -> Any:
    """What is stored after an update."""
    result = type(stored)()
    result.CopyFrom(stored)
    for path in mask:
        _write(result, given, path)
    return result


def _write(stored: Any, given: Any, path: Path) -> None:
    name, *rest = path
    assert isinstance(name, str)
    if not rest:
        _replace(stored, given, name)
        return
    if not isinstance(rest[0], Key):
        if given.HasField(name):
            getattr(stored, name).SetInParent()
        if stored.HasField(name):
            _write(getattr(stored, name), getattr(given, name), tuple(rest))
        return
    key, kept, new = rest[0].value, getattr(stored, name), getattr(given, name)
    if len(rest) == 1:
        if key not in new:
            kept.pop(key, None)
        elif hasattr(new[key], "CopyFrom"):
            kept[key].CopyFrom(new[key])
        else:
            kept[key] = new[key]
    elif key in new or key in kept:
        _write(kept[key], new[key] if key in new else type(kept[key])(), tuple(rest[1:]))


def shown(whole: Any, mask: Sequence[Path]) -> Any:
    """What a read shows."""
    result = type(whole)()
    for path in mask:
        _show(result, whole, path)
    return result


def _show(result: Any, whole: Any, path: Path) -> None:
    name, *rest = path
    assert isinstance(name, str)
    held = getattr(whole, name)
    if not rest or (isinstance(rest[0], Key) and rest[0].every and len(rest) == 1):
        _replace(result, whole, name)
    elif not isinstance(rest[0], Key):
        if whole.HasField(name):
            getattr(result, name).SetInParent()
            _show(getattr(result, name), held, tuple(rest))
    elif hasattr(held, "items"):
        for key in held if rest[0].every else [rest[0].value]:
            if key in held:
                _show_entry(getattr(result, name), held, key, tuple(rest[1:]))
    else:
        elements = getattr(result, name)
        while len(elements) < len(held):
            elements.add()
        for element, other in zip(elements, held, strict=True):
            _show(element, other, tuple(rest[1:]))


def _show_entry(result: Any, held: Any, key: Any, rest: Path) -> None:
    if rest:
        _show(result[key], held[key], rest)
    elif hasattr(held[key], "CopyFrom"):
        result[key].CopyFrom(held[key])
    else:
        result[key] = held[key]


def _replace(target: Any, source: Any, name: str) -> None:
    """The field as it is in the source; unset where it is unset."""
    found = source.DESCRIPTOR.fields_by_name[name]
    if not found.is_repeated and found.has_presence and not source.HasField(name):
        target.ClearField(name)
    elif found.is_repeated:
        target.ClearField(name)
        getattr(target, name).MergeFrom(getattr(source, name))
    elif found.message_type is not None:
        getattr(target, name).CopyFrom(getattr(source, name))
    else:
        setattr(target, name, getattr(source, name))

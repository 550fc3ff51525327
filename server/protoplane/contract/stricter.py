"""What of two sets of buf.validate rules refuses values that were taken before.

Bounds and lists are compared; of what cannot be (patterns, CEL) any change counts as stricter: to miss a break is worse than to name one
too many.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from google.protobuf.message import Message

_UPPER: Final = frozenset({"lt", "lte", "max_len", "max_bytes", "max_items", "max_pairs"})
_LOWER: Final = frozenset({"gt", "gte", "min_len", "min_bytes", "min_items", "min_pairs"})
_BOUNDS: Final = _UPPER | _LOWER
_TAKES_ALL: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    **dict.fromkeys(_UPPER, operator.gt),
    **dict.fromkeys(_LOWER, operator.lt),
    "in": lambda value, was: set(value) >= set(was),
}
_TWINS: Final = {"lt": "lte", "lte": "lt", "gt": "gte", "gte": "gt"}
_EACH_REFUSES: Final = frozenset({"not_in", "cel", "cel_expression"})
"""Lists that take more with fewer members."""
_NOT_RULES: Final = frozenset({"example"})
_IGNORE: Final = "ignore"
_IGNORE_ALWAYS: Final = 3


def stricter(old: Message | None, new: Message | None) -> Iterator[str]:
    """Each rule that may refuse what was taken: `string.max_len: 100, was 200`."""
    before, after = dict(_rules(old, "")), dict(_rules(new, ""))
    for path, value in after.items():
        was = before.get(path)
        if value != was and not _is_looser(path, value, before):
            yield f"{path}: {_shown(value)}" + ("" if was is None else f", was {_shown(was)}")
    if _IGNORE in before and _IGNORE not in after:
        yield f"{_IGNORE}: none, was {_shown(before[_IGNORE])}"


def _rules(rules: Message | None, prefix: str) -> Iterator[tuple[str, Any]]:
    """Every rule that is set, by path; lists as tuples, times as pairs of numbers."""
    for field, value in [] if rules is None else rules.ListFields():
        path = prefix + field.name
        if field.is_repeated:
            yield path, tuple(one.SerializeToString(deterministic=True) if isinstance(one, Message) else one for one in value)
        elif not isinstance(value, Message):
            yield path, value
        elif value.DESCRIPTOR.full_name in {"google.protobuf.Timestamp", "google.protobuf.Duration"}:
            yield path, (getattr(value, "seconds"), getattr(value, "nanos"))  # noqa: B009 - messages of the contract's own pool.
        else:
            yield from _rules(value, f"{path}.")


def _is_looser(path: str, value: Any, before: Mapping[str, Any]) -> bool:
    """Whether a rule takes all that was taken before."""
    head, _, name = path.rpartition(".")
    was = before.get(path)
    if name in _TWINS and was is None:
        was = before.get(f"{head}.{_TWINS[name]}")
        if was == value:
            return name in {"lte", "gte"}
    if name in _EACH_REFUSES:
        return set(value) <= set(was or ())
    if name in _BOUNDS or name == "in":
        return was is not None and bool(_TAKES_ALL[name](value, was))
    return name in _NOT_RULES or (value is False and name != "const") or (name == _IGNORE and value == _IGNORE_ALWAYS)


def _shown(value: Any) -> str:
    match value:
        case tuple():
            return "[" + ", ".join(map(_shown, value)) + "]"
        case str():
            return f'"{value}"'
        case bytes():
            return "…"  # A message: its text would say nothing here.
        case _:
            return str(value)

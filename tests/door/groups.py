"""What an aggregation means, said as plainly as Python can: slow, over the messages of a List, and with no code of the server's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

Scalar: TypeAlias = Any
Group: TypeAlias = dict[str, Scalar]
"""By name; None where there is no value, times and Durations in microseconds, enums by name."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SORTED_CHARACTERS = 255
"""Of a text without a max_len."""


@dataclass(frozen=True)
class World:
    """Everything that references lead to: messages by name, and which fields of which message hold names."""

    by_name: Mapping[str, Any]
    references: frozenset[str]
    parent: str
    """What paths call the parent."""

    def follow(self, message: Any, path: Sequence[str]) -> tuple[Any, str]:
        """The message that holds the last field of a path, None where there is none, and that field's name."""
        for name in path[:-1]:
            if message is None:
                break
            if name == self.parent:
                message = self.by_name.get("/".join(message.name.split("/")[:-2]))
            elif name in self.references:
                message = self.by_name.get(getattr(message, name))
            else:
                message = getattr(message, name) if message.HasField(name) else None
        return message, path[-1]

    def value(self, row: Any, path: str) -> Scalar:
        """The value of a singular field, None when it is unset."""
        message, name = self.follow(row, path.split("."))
        if message is None:
            return None
        field = message.DESCRIPTOR.fields_by_name[name]
        if field.has_presence and not message.HasField(name):
            return None
        return plain(getattr(message, name), field)

    def present(self, row: Any, path: str) -> bool:
        """What `path:*` asks."""
        message, name = self.follow(row, path.split("."))
        if message is None:
            return False
        field = message.DESCRIPTOR.fields_by_name[name]
        if field.has_presence and name not in self.references:
            return bool(message.HasField(name))
        return bool(getattr(message, name))


def plain(value: Any, field: Any) -> Scalar:
    """A value as groups hold it."""
    if field.message_type is not None:
        match field.message_type.name:
            case "Timestamp":
                return value.seconds * 1_000_000 + value.nanos // 1_000
            case "Duration":
                return int(value.ToMicroseconds())
            case _:
                return value.value  # A wrapper.
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else str(value)
    if isinstance(value, str) and field.name != "name":
        return value[:SORTED_CHARACTERS]
    return value


def start_of(micros: int, unit: str) -> int:
    """The start of an hour, day, week, month, quarter or year."""
    moment = EPOCH + timedelta(microseconds=micros)
    hour = moment.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    start = {
        "hour": lambda: hour,
        "day": lambda: day,
        "week": lambda: day - timedelta(days=day.weekday()),
        "month": lambda: day.replace(day=1),
        "quarter": lambda: day.replace(day=1, month=(day.month - 1) // 3 * 3 + 1),
        "year": lambda: day.replace(day=1, month=1),
    }[unit]()
    return (start - EPOCH) // MICROSECOND


@dataclass(frozen=True)
class Ask:
    """One key or aggregate."""

    function: str
    path: str
    name: str

    @property
    def text(self) -> str:
        """As a request has it."""
        made = f"{self.function}({self.path})" if self.function else self.path
        return f"{made} as {self.name}"


def key_of(world: World, row: Any, ask: Ask) -> Scalar:
    value = world.value(row, ask.path)
    return value if value is None or not ask.function else start_of(value, ask.function)


def computed(world: World, rows: Sequence[Any], ask: Ask) -> Scalar:
    """One aggregate over the rows of a group."""
    if ask.function == "count":
        return sum(world.present(row, ask.path) for row in rows) if ask.path else len(rows)
    values = [value for row in rows if (value := world.value(row, ask.path)) is not None]
    if ask.function == "count_distinct":
        return len(set(values))
    return _COMPUTES[ask.function](values) if values else None


_COMPUTES: Mapping[str, Callable[[Sequence[Any]], Scalar]] = {
    "sum": sum,
    "avg": lambda values: float(sum(values)) / len(values),
    "min": min,
    "max": max,
}


def grouped(world: World, rows: Iterable[Any], keys: Sequence[Ask], aggregates: Sequence[Ask]) -> list[Group]:
    """Every group, in no order; without keys there is always one."""
    members: dict[tuple[Scalar, ...], list[Any]] = {} if keys else {(): []}
    for row in rows:
        members.setdefault(tuple(key_of(world, row, ask) for ask in keys), []).append(row)
    return [
        {ask.name: value for ask, value in zip(keys, key, strict=True)} | {ask.name: computed(world, found, ask) for ask in aggregates}
        for key, found in members.items()
    ]


def in_order(groups: Iterable[Group], order: Sequence[tuple[str, bool]], rank: Callable[[str, Scalar], Any]) -> list[Group]:
    """Sorted by names, each perhaps descending; unset is below everything. `rank` says what a value sorts by."""
    found = list(groups)
    for name, descending in reversed(order):
        found.sort(key=lambda group: (group[name] is not None, 0 if group[name] is None else rank(name, group[name])), reverse=descending)
    return found


def read(group: Any) -> Group:
    """A group of an answer in the same form."""
    return {name: read_value(value) for name, value in group.values.items()}


def read_value(value: Any) -> Scalar:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(value, kind)
    if kind == "timestamp_value":
        return held.seconds * 1_000_000 + held.nanos // 1_000
    return int(held.ToMicroseconds()) if kind == "duration_value" else held

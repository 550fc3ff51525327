"""Filters to ask: every field of a resource, of what it holds and of what it refers to, with all that can be said of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from hypothesis import strategies as st

from tests.door.museum import pb
from tests.door.museum.collection import museum
from tests.door.museum.oracle import is_json, is_map, message_of
from tests.door.museum.rows import STRINGS
from tests.door.museum.schema import Schema

ORDERED = ("=", "!=", "<", "<=", ">", ">=", ":")
EQUAL = ("=", "!=", ":")
HOPS = 2
INSIDE = HOPS + 1
"""In place of hops: inside a repeated field or a map, where references are texts and lead nowhere."""


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("*", "\\*").replace("\n", "\\n")
    return f'"{escaped}"'


PLAIN = tuple(map(quoted, STRINGS))
WILD = ('"a*"', '"*b"', '"*"', '"a*b*"', '"**"', '"*!*"', "ab*", "'a\\*b'", '"*_*"', '"*%"', '"*\\\\*"')
NUMBERS = ("0", "1", "-1", "7", "42", "1.5", "-0.5", "1e2", "1e30", "-1e30", "2147483647", "2147483647.5", "9223372036854775807",
           "9223372036854775808", "18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809", "1e-400")  # fmt: skip
DOUBLES = ("0.5", "-1.5", "1e-9", "1e300", "9007199254740992", "9007199254740993", "9007199254740991", "1.0e16", "0.1", "1e400", "-1e400")
TIMES = ("1970-01-01T00:00:00Z", '"1970-01-01T00:00:00.0000005Z"', "1969-12-31T23:59:59.999999999Z", "2024-05-01T12:00:00Z", "2024-05-01t14:00:00+02:00",
         "'2024-05-01T12:00:00.123456Z'", "2024-05-01T12:00:00.1234567Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z",
         "now()", "ago(365d)", "ago(-1.5h)", "ago(999999999999d)")  # fmt: skip
SPANS = ("0s", "1.2s", "-3s", '"1.2s"', "0.0000005s", "-0.0000015s", "-0.000001s", "315576000000s", "315576000001s")
WORDS = ("a", "ab", '"a b"', '"%"', '"_"', "B", "'\\*'", '"a*b"', "ä", '"\\""', '"a\\nb"', "nothing")
DYNAMIC = ("1", "1.5", '"1"', "true", "false", '"a%b "', '"a*"', '"ä😀"', '""', "-1e300", "x", "0", "1e400")
KEYS = ("a", '"x y"', "c", "d", '"-a"', '"*a"', '"\\""', "'a\\\\b'", "'a\\*'", '"**"', "none")
"""Of Structs, wildcards and what no path can name among them."""


@dataclass(frozen=True)
class Texts:
    """What can be asked of the messages of one package."""

    schema: Schema
    package: str
    depth_max: int = 2
    """Of messages in one another."""

    def literals(self, field: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:  # noqa: PLR0911 - one case a line.
        """The comparators a field takes, and what it is compared with."""
        message = field.message_type
        if message is not None and message.name.endswith("Value") and "value" in message.fields_by_name:
            return self.literals(message.fields_by_name["value"])
        if message is not None:
            return {"Timestamp": (ORDERED, TIMES), "Duration": (ORDERED, SPANS)}.get(message.name, ((), ()))
        if field.enum_type is not None:
            return EQUAL, tuple(value.name for value in field.enum_type.values)
        match field.type:
            case field.TYPE_STRING:
                return ORDERED, PLAIN
            case field.TYPE_BYTES:
                return EQUAL, ('""', '"AP8="', "YQ", "'YWI='")
            case field.TYPE_BOOL:
                return EQUAL, ("true", "false")
            case field.TYPE_DOUBLE | field.TYPE_FLOAT:
                return ORDERED, (*NUMBERS, *DOUBLES)
        return ORDERED, NUMBERS

    def paths(self, descriptor: Any, prefix: str = "", hops: int = 0, depth: int = 0, *, each: bool = False) -> Iterator[str]:
        """Comparisons, one of each path, comparator and literal."""
        for field in descriptor.fields:
            if field.full_name in self.schema.hidden:
                continue
            path = prefix + field.name
            yield f"{path}:*"
            if hops != INSIDE:
                yield from self.functions(field, path)
            if is_map(field):
                yield from self.map_paths(field, path, depth, each=each)
            elif is_json(field):
                yield from dynamic_paths(path, message_of(field).name, each=each or field.is_repeated)
            else:
                yield from self.value_paths(field, path, hops, depth, each=each)
        for name, parent in self.schema.parents.get(descriptor.name, {}).items():
            if hops < HOPS and not each:
                yield from self.paths(descriptor.file.message_types_by_name[parent], f"{prefix}{name}.", hops + 1, 1)

    def map_paths(self, field: FieldDescriptor, path: str, depth: int, *, each: bool) -> Iterator[str]:
        """Of a map: its keys, and what is behind each."""
        key, value = message_of(field).fields_by_name["key"], message_of(field).fields_by_name["value"]
        keys = {key.TYPE_STRING: ("a", '"x y"'), key.TYPE_BOOL: ("true",)}.get(key.type, ("1", '"-1"'))
        for name in keys:
            yield f"{path}:" + ("-1" if name == '"-1"' else name)
            yield f"{path}.{name}:*"
            if is_json(value):
                yield from dynamic_paths(f"{path}.{name}", message_of(value).name, each=each)
            else:
                yield from self.value_paths(value, f"{path}.{name}", INSIDE, depth, each=each)

    def value_paths(self, field: Any, path: str, hops: int, depth: int, *, each: bool) -> Iterator[str]:
        """Of one value, and of what it holds or names."""
        each = each or field.is_repeated
        target = "" if each or hops == INSIDE else self.schema.target(field)
        comparators, values = (EQUAL, self.schema.names[target]) if target else self.literals(field)
        for comparator in (":",) if each else comparators:
            yield from (f"{path} {comparator} {value}" for value in values)
            if values is PLAIN and comparator in EQUAL:
                yield from (f"{path} {comparator} {value}" for value in WILD if value not in ('"*"', '"**"'))
        message = field.message_type
        if message is not None and message.file.package == self.package and depth < self.depth_max:
            yield from self.paths(message, f"{path}.", INSIDE if field.is_repeated else hops, depth + 1, each=each)
        leads_to = "" if each else self.schema.leads_to(field)
        if leads_to and hops < HOPS:
            yield from self.paths(field.containing_type.file.message_types_by_name[leads_to], f"{path}.", hops + 1, 1)

    def functions(self, field: FieldDescriptor, path: str) -> Iterator[str]:
        """Those that every filter has."""
        if field.is_repeated:
            yield from (f"size({path}) {comparator} {n}" for comparator in ORDERED[:-1] for n in ("0", "1", "2"))
        elif self.literals(field)[1] is PLAIN and not self.schema.target(field):
            yield from (f"{name}({path}, {value})" for name in ("startsWith", "endsWith") for value in (*PLAIN, '"a*"'))
            yield from (f"length({path}) {comparator} {n}" for comparator in ORDERED[:-1] for n in ("0", "1", "2", "1.5"))

    def comparisons(self, descriptor: Any) -> list[str]:
        """Every one there is of a resource."""
        return [*self.paths(descriptor), *(WORDS if self.schema.searched.get(descriptor.name) else ())]


def dynamic_paths(path: str, kind: str, *, each: bool) -> Iterator[str]:
    """Of a Struct, Value or ListValue; of `each` element of something repeated, and of a ListValue, only what it has can be asked."""
    only_has = each or kind == "ListValue"
    if kind == "Struct":
        yield from (f"{path}:{key}" for key in KEYS)
    elif only_has:
        yield from (f"{path}:{literal}" for literal in (*DYNAMIC, *KEYS))
    else:
        yield from (f"{path} {comparator} {literal}" for comparator in EQUAL for literal in DYNAMIC)
    for inner in ("a", "b.c", "b.c.d", '"x y"', '"x y".z', "none"):
        yield f"{path}.{inner}:*"
        # Twice, because it is what differs from value to value.
        yield from (f"{path}.{inner}:{literal}" for literal in (*DYNAMIC, *DYNAMIC, *KEYS))
        if not only_has:
            yield from (f"{path}.{inner} {comparator} {literal}" for comparator in ("=", "!=") for literal in DYNAMIC)
            yield from (f"{path}.{inner} {comparator} {literal}" for comparator in ("<", ">=") for literal in ("1", '"a"', "-1e400"))


def comparisons() -> list[str]:
    """Every one there is of an exhibit, with the function that the museum has of its own."""
    own = [
        f"initial({path}) {comparator} {value}"
        for path in ("title", "subtitle", "place.city", "artist.display_name", "lender.display_name", "wrapped_string")
        for comparator in ("=", "!=", "<")
        for value in ('"a"', '"ä"', '""')
    ]
    return [*Texts(museum(), "museum.v1").comparisons(pb.Exhibit.DESCRIPTOR), *own]


def filters(simple: list[str]) -> st.SearchStrategy[str]:
    """Comparisons, and what is made of them."""
    # One path in so many has hundreds of forms: choosing the path first gives each its share.
    by_path: dict[str, list[str]] = {}
    for text in simple:
        by_path.setdefault(text.split(" ")[0].split(":")[0], []).append(text)
    one = st.sampled_from(sorted(by_path)).flatmap(lambda path: st.sampled_from(by_path[path]))

    def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        grouped = inner.map(lambda text: f"({text})")
        many = st.lists(inner | grouped, min_size=2, max_size=3)
        negated = st.tuples(st.sampled_from(("NOT ", "-")), grouped).map("".join)
        return many.map(" OR ".join) | many.map(" AND ".join) | many.map(" ".join) | negated

    return st.recursive(one | one.map(lambda text: f"NOT {text}"), nested, max_leaves=4)

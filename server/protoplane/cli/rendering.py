"""Resources as lines of CSV and NDJSON: what `import` reads. The code that runs for every row is generated, as `store.codec`'s is.

What spreadsheets would run gets a ' in front; see `cli.tables`.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import IO, Any, Final, TypeAlias

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor

from protoplane.base.generated import Source, attribute
from protoplane.base.moments import second_text
from protoplane.cli.tables import GUARDED, BadTable, TableOptions
from protoplane.cli.values import FLOAT_MAX, REMEMBERED, BadValue
from protoplane.contract.model import Behavior, Field, Kind, Label, Presence, Resource, Role

ToJson: TypeAlias = Callable[[Any], object]

RISKY = frozenset("'=+-@\t\r") | {""}
"""How a text begins that `GUARDED` may match: looked at before it is asked."""
_ENDING: Final = re.compile(r'[",\r\n]').search
INTEGERS = frozenset({Kind.INT32, Kind.UINT32, Kind.INT64, Kind.UINT64})
QUOTED = frozenset({Kind.INT64, Kind.UINT64})
"""As proto3 JSON has it: JavaScript's numbers end at 2^53."""
COMPOUND = frozenset({Kind.MESSAGE, Kind.JSON, Kind.OPAQUE})


def write_pages(stream: IO[str], form: str, resource: Resource, pages: Iterable[Iterable[Any]], options: TableOptions) -> int:
    """Write pages of resources as csv or ndjson; gives the number of rows."""
    line = csv_line(resource, options) if form == "csv" else json_line(resource)
    if form == "csv":
        stream.write(f"{','.join(map(quoted, csv_header(resource)))}\r\n")
    return sum(_write(stream, list(map(line, page))) for page in pages)


def _write(stream: IO[str], lines: Sequence[str]) -> int:
    stream.write("".join(lines))
    return len(lines)


# CSV


def leaves(fields: Iterable[Field], path: tuple[Field, ...] = ()) -> Iterator[tuple[Field, ...]]:
    """Paths to the fields that have a column each: nested messages are opened, everything else is a leaf."""
    for each in fields:
        if Behavior.INPUT_ONLY in each.behaviors or each.expand:
            continue
        if each.kind is Kind.MESSAGE and each.label is Label.SINGULAR:
            yield from leaves(each.fields, (*path, each))
        else:
            yield (*path, each)


def _columns(resource: Resource) -> list[tuple[Field, ...]]:
    return sorted(leaves(resource.fields), key=lambda path: path[-1].path != "name")


def csv_header(resource: Resource) -> list[str]:
    """Columns of an export, the name first."""
    return [path[-1].path for path in _columns(resource)]


def csv_line(resource: Resource, options: TableOptions) -> Callable[[Any], str]:
    """How a resource becomes a line of RFC 4180, which ends with CRLF: so a lone carriage return inside a cell is quoted too. Raises BadTable."""
    source = Source(f"cells {resource.type}")
    cells = [_Cell(source, path, options) for path in _columns(resource)]
    texts = {cell: f"x{number}" for number, cell in enumerate(cells) if cell.is_plain_text}
    source.add(0, "def line(m):")
    for cell, variable in texts.items():
        source.add(1, f"{variable} = {cell.expression()}")
    if texts:  # Hardly any has to be quoted: one look at all of them.
        together = "".join(f"{{{variable}}}" for variable in texts.values())
        quotes = "; ".join(f"{variable} = {source.bind(quoted)}({variable})" for variable in texts.values())
        source.add(1, f"if {source.bind(_ENDING)}(f'{together}'): {quotes}")
    values = ", ".join(texts[cell] if cell in texts else cell.expression() for cell in cells)
    source.add(1, f"return '{','.join(['%s'] * len(cells))}\\r\\n' % ({values},)")
    compiled: Callable[[Any], str] = source.compile("line")
    return compiled


def quoted(text: str) -> str:
    """A cell: in quotes where it holds what would end it."""
    return '"' + text.replace('"', '""') + '"' if _ENDING(text) else text


class _Cell:
    """One cell of a CSV row, as an expression over the message `m`."""

    def __init__(self, source: Source, path: tuple[Field, ...], options: TableOptions) -> None:
        self._source, self._path, self._leaf = source, path, path[-1]
        self._empty = next(iter(sorted(options.unset)), "")
        self._raw = options.raw

    def expression(self) -> str:
        owner, conditions = "m", []
        for field in self._path[:-1]:
            conditions.append(f"{owner}.HasField({field.name!r})")
            owner = attribute(owner, field.name)
        value = attribute(owner, self._leaf.name)
        if self._leaf.label is not Label.SINGULAR:
            conditions.append(value)
        elif self._leaf.presence is Presence.EXPLICIT:
            conditions.append(f"{owner}.HasField({self._leaf.name!r})")
        shown = self._shown(value)
        if self._empty:
            shown = f"{self._source.bind(self._refuse_unset)}({shown})"
        empty = self._empty
        if not self.is_plain_text:
            empty = quoted(empty)
            if self._may_end():
                shown = f"{self._source.bind(quoted)}({shown})"
        return f"({shown} if {' and '.join(conditions)} else {empty!r})" if conditions else shown

    @property
    def is_plain_text(self) -> bool:
        """Whether it is a text that seldom must stand in quotes, which is not seen to here."""
        return self._leaf.kind is Kind.STRING and self._leaf.label is Label.SINGULAR and self._leaf.role is not Role.ETAG

    def _may_end(self) -> bool:
        """Whether it may hold what must stand in quotes, as etags always do."""
        return self._leaf.label is not Label.SINGULAR or self._leaf.kind in COMPOUND or self._leaf.role is Role.ETAG

    def _refuse_unset(self, shown: object) -> object:
        if str(shown) == self._empty:
            raise BadTable(f"{self._leaf.path} has the value '{self._empty}', which stands for unset; choose another text with --na")
        return shown

    def _shown(self, value: str) -> str:
        leaf, bind = self._leaf, self._source.bind
        if leaf.label is not Label.SINGULAR or leaf.kind in COMPOUND:
            to_json = json_value(leaf)
            return f"{bind(lambda held: json.dumps(to_json(held), ensure_ascii=False, separators=(',', ':')))}({value})"
        if leaf.kind in TIMES:
            return f"{bind(TIMES[leaf.kind])}((t := {value}).seconds, t.nanos)"
        if leaf.wrapper:
            value += ".value"
        match leaf.kind:
            case Kind.STRING | Kind.BYTES if not self._raw:
                text = value if leaf.kind is Kind.STRING else f"{bind(_base64)}({value})"
                return f"(v if (v := {text})[:1] not in {bind(RISKY)} else {bind(_guarded)}(v))"
            case Kind.BOOL:
                return f"('true' if {value} else 'false')"
            case kind if kind is Kind.STRING or kind in INTEGERS:
                return value
            case _:
                return f"{bind(_scalar_to_json(leaf))}({value})"


def _guarded(text: str) -> str:
    return f"'{text}" if GUARDED.match(text) else text


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


# NDJSON


def json_line(resource: Resource) -> Callable[[Any], str]:
    """How a resource becomes a line: an object in the proto3 JSON mapping, fields by number, those left out that hold nothing."""
    source = _Object(f"line {resource.type}")
    source.add(0, "def line(m):")
    source.fields(1, "m", "s", resource.fields, resource.message)
    source.add(1, "return '{' + s[1:] + '}\\n'")
    compiled: Callable[[Any], str] = source.compile("line")
    return compiled


class _Object(Source):
    """Writes the fields of a message into a text, each behind a comma."""

    def fields(self, depth: int, owner: str, text: str, fields: Iterable[Field], message: Descriptor) -> None:
        """Code that sets the variable `text` to all fields of the message in the variable `owner`."""
        self.add(depth, f"{text} = ''")
        for field in sorted(fields, key=lambda field: field.number):
            title = json.dumps(message.fields_by_name[field.name].json_name)
            self._field(depth, owner, text, field, f",{title}:")

    def _field(self, depth: int, owner: str, text: str, field: Field, title: str) -> None:
        value = attribute(owner, field.name)
        if field.label is not Label.SINGULAR or field.presence is Presence.IMPLICIT:
            self.add(depth, f"v = {value}")
            self.add(depth, "if v:")
            value = "v"
        else:
            self.add(depth, f"if {owner}.HasField({field.name!r}):")
        depth += 1
        if field.kind is Kind.MESSAGE and field.label is Label.SINGULAR:
            assert field.message is not None
            inner, inner_text = f"{owner}_{field.number}", f"{text}_{field.number}"
            self.add(depth, f"{inner} = {value}")
            self.fields(depth, inner, inner_text, field.fields, field.message)
            self.add(depth, f"{text} += {title + '{'!r} + {inner_text}[1:] + '}}'")
        else:
            self.add(depth, f"{text} += {title!r} + {self._shown(field, value)}")

    def _shown(self, field: Field, value: str) -> str:
        singular = field.label is Label.SINGULAR
        if singular and field.kind in TIMES:
            return f"'\"' + {self.bind(TIMES[field.kind])}((t := {value}).seconds, t.nanos) + '\"'"
        if singular and field.wrapper:
            value += ".value"
        if singular and field.kind is Kind.STRING:
            return f"{self.bind(json.encoder.encode_basestring)}({value})"
        if singular and field.kind in INTEGERS:
            return f"'\"' + str({value}) + '\"'" if field.kind in QUOTED else f"str({value})"
        to_json = json_value(field) if not singular or field.kind in COMPOUND else _scalar_to_json(field)
        return f"{self.bind(lambda held: json.dumps(to_json(held), ensure_ascii=False, separators=(',', ':')))}({value})"


# Values


def json_value(field: Field) -> ToJson:
    """How the field's value becomes JSON (proto3 JSON mapping): what `values.json_converter` reads."""
    one = _to_json(field)
    match field.label:
        case Label.SINGULAR:
            return one
        case Label.REPEATED:
            return lambda values: [one(value) for value in values]
        case Label.MAP:
            assert field.key is not None
            boolean_key = field.key.kind is Kind.BOOL
            return lambda entries: {str(key).lower() if boolean_key else str(key): one(value) for key, value in sorted(entries.items())}


def _to_json(field: Field) -> ToJson:
    if field.kind in COMPOUND:
        assert field.message is not None
        pool = field.message.file.pool
        return lambda message: json_format.MessageToDict(message, descriptor_pool=pool)
    scalar = _scalar_to_json(field)
    return (lambda message: scalar(message.value)) if field.wrapper else scalar


def _scalar_to_json(field: Field) -> ToJson:
    if field.enum is not None:
        names = {value.number: value.name for value in reversed(field.enum.values)}
        return lambda number: names.get(number, number)
    if field.kind in TIMES:
        text = TIMES[field.kind]
        return lambda value: text(value.seconds, value.nanos)
    plain: Mapping[Kind, ToJson] = {Kind.BYTES: _base64, Kind.FLOAT: shortest_float, Kind.INT64: str, Kind.UINT64: str}
    return plain.get(field.kind, lambda value: value)


@lru_cache(REMEMBERED)
def time_text(seconds: int, nanos: int) -> str:
    """RFC 3339 in UTC, with as many of 0, 3, 6 or 9 digits as it takes."""
    try:
        text = second_text(seconds, "T")
    except OverflowError as problem:
        raise BadValue(f"{seconds} seconds are {problem}") from problem
    return f"{text}{_fraction(nanos)}Z" if nanos else f"{text}Z"


def span_text(seconds: int, nanos: int) -> str:
    """Seconds with the unit: `-1.500s`."""
    if not nanos:
        return f"{seconds}s"
    return f"{'-' if seconds < 0 or nanos < 0 else ''}{abs(seconds)}{_fraction(abs(nanos))}s"


def _fraction(nanos: int) -> str:
    if not nanos:
        return ""
    digits = f"{nanos:09d}"
    return f".{digits[:3] if digits.endswith('000000') else digits[:6] if digits.endswith('000') else digits}"


def shortest_float(value: float) -> float:
    """The float64 with the fewest digits that is this float32."""
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        if abs(short) <= FLOAT_MAX and struct.unpack("f", struct.pack("f", short))[0] == value:
            return short
    return value


TIMES: Mapping[Kind, Callable[[int, int], str]] = {Kind.TIMESTAMP: time_text, Kind.DURATION: span_text}
"""How seconds and nanoseconds are written."""

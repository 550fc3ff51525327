"""Rows of a resource in files: CSV and NDJSON read as a stream, with the line of every mistake; `cli.rendering` writes them.

CSV: one column a field, nested messages as `address.city`, repeated fields and maps as JSON. `name`, or `parent` and `id`
(`book_id`), say which resource it is. An empty cell is an unset field. Columns and keys that begin with `_` are left out.

Spreadsheets run cells that begin with = + - @ (OWASP: CSV injection), so export puts a ' before such texts, and import takes
exactly that one ' away again: any text survives the round trip.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import IO, Any, Protocol, TypeAlias

from protoplane.base import limits
from protoplane.base.generated import Source
from protoplane.cli import values
from protoplane.contract.casing import snake
from protoplane.contract.model import Behavior, Field, Kind, Label, Presence, Resource, Role

Keywords: TypeAlias = dict[str, Any]
GUARDED = re.compile(r"'*[=+\-@\t\r]")
"""Texts that a spreadsheet would run, and those that look like one made harmless."""
UNSTORED = frozenset({Role.NAME, Role.ETAG, Role.CREATE_TIME, Role.UPDATE_TIME, Role.UID})


class BadRow(ValueError):
    """A row that cannot become a resource. `line` counts from 1; `column` is empty when no column is to blame."""

    def __init__(self, line: int, column: str, problem: str) -> None:
        super().__init__(f"line {line}{f', column {column}' if column else ''}: {problem}")
        self.line, self.column, self.problem = line, column, problem


class BadTable(ValueError):
    """The file as a whole cannot be used, such as a column that no field has."""


@dataclass(slots=True)
class Row:
    """One resource to create: `keywords` build its message; `source` is what the file held."""

    line: int
    parent: str
    id: str
    keywords: Keywords
    source: object = field(repr=False)
    characters: int = 0
    """Length in the file: what bounds a batch."""


class RowReader(Protocol):
    """A file's rows. A bad row comes as a BadRow value among them, so that the reader goes on behind it."""

    def __iter__(self) -> Iterator[Row | tuple[BadRow, object]]:
        """Rows, and bad ones with what the file held."""
        ...


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How cells are read and written."""

    parent: str = ""
    """Parent of rows that name none."""
    unset: frozenset[str] = frozenset()
    """Texts besides the empty one that mean an unset field, such as `NA`."""
    raw: bool = False
    """Whether cells are taken as they are, without the ' before formulas."""


def split_name(resource: Resource, name: str) -> tuple[str, str]:
    """Parent and id of a resource name; ValueError when it does not fit the pattern."""
    parts = name.split("/")
    if len(parts) % 2 or tuple(parts[0::2]) not in _collections(resource.patterns) or not all(parts):
        raise values.BadValue(f"must be a name of the form {' or '.join(resource.patterns)}, not {values.shown(name)}")
    return "/".join(parts[:-2]), parts[-1]


@lru_cache(1)
def _collections(patterns: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    """The words of each pattern; kept, because rows of one resource ask for them one after the other."""
    return frozenset(tuple(pattern.split("/")[0::2]) for pattern in patterns)


def id_names(resource: Resource) -> tuple[str, ...]:
    """Columns that hold the last id: `id` and `book_id`, unless a field has that name."""
    names = ("id", f"{snake(resource.singular)}_id", f"{resource.pattern.variables[-1]}_id")
    return tuple(name for name in dict.fromkeys(names) if resource.field(name) is None)


def read_csv(stream: IO[str], resource: Resource, options: TableOptions) -> RowReader:
    """Rows of a CSV file with a header line. Raises BadTable for a header that does not fit."""
    csv.field_size_limit(limits.VALUE_BYTES_MAX)
    lines = csv.reader(stream, strict=True)
    try:
        header = next(lines, None)
    except (csv.Error, UnicodeDecodeError) as problem:
        raise BadTable(f"the header is no CSV in UTF-8: {problem}") from problem
    if not header:
        raise BadTable("the file is empty; its first line must name the columns")
    return _CsvRows(lines, tuple(header), _compile_columns(header, resource, options))


def read_ndjson(stream: IO[str], resource: Resource, options: TableOptions) -> RowReader:
    """Rows of a file with one JSON object a line, as `export` writes them."""
    return _JsonRows(stream, resource, options)


@dataclass(frozen=True, slots=True)
class _Column:
    index: int
    name: str
    path: tuple[str, ...]
    convert: values.FromText
    unset: frozenset[str]

    def check(self, line: int, cells: list[str]) -> None:
        """Raise BadRow when this cell is to blame."""
        text = cells[self.index]
        if text not in self.unset:
            try:
                self.convert(text)
            except ValueError as problem:
                raise BadRow(line, self.name, str(problem)) from problem


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where everything of a row stands; -1: nowhere."""

    values: tuple[_Column, ...]
    read: Callable[[list[str]], Keywords]
    """All of them at once. Raises ValueError when a cell cannot be read."""
    name: int
    parent: int
    id: int
    resource: Resource
    options: TableOptions
    width: int

    def row(self, line: int, cells: list[str]) -> Row:
        """The row that these cells are; raises BadRow."""
        if len(cells) != self.width:
            raise BadRow(line, "", f"has {len(cells)} cells where the header has {self.width}")
        try:
            keywords = self.read(cells)
        except ValueError:
            for column in self.values:
                column.check(line, cells)
            raise
        parent, own = self._place(line, cells)
        return Row(line, parent, own, keywords, cells, sum(map(len, cells)))

    def _place(self, line: int, cells: list[str]) -> tuple[str, str]:
        parent = cells[self.parent] if self.parent >= 0 else ""
        own = cells[self.id] if self.id >= 0 else ""
        if self.name >= 0 and cells[self.name]:
            try:
                named_parent, named = split_name(self.resource, cells[self.name])
            except ValueError as problem:
                raise BadRow(line, "name", str(problem)) from problem
            parent, own = parent or named_parent, own or named
        return parent or self.options.parent, own


def _compile_columns(header: Sequence[str], resource: Resource, options: TableOptions) -> _Columns:
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise BadTable(f"two columns are named '{twice}'")
    ids = next((header.index(name) for name in id_names(resource) if name in header), -1)
    parent = header.index("parent") if "parent" in header and resource.field("parent") is None else -1
    name = header.index("name") if "name" in header else -1
    columns = [
        _column(index, title, resource, options)
        for index, title in enumerate(header)
        if index not in {ids, parent, name} and title[:1] != "_"
    ]
    kept = [column for column in columns if column is not None]
    nested = {column.path[:depth] for column in kept for depth in range(1, len(column.path))}
    clash = next((column.name for column in kept if column.path in nested), None)
    if clash:
        raise BadTable(f"column '{clash}' is there as a whole and field by field")
    return _Columns(
        values=tuple(kept),
        read=_compile_read(kept, sorted(nested, key=len, reverse=True)),
        name=name,
        parent=parent,
        id=ids,
        resource=resource,
        options=options,
        width=len(header),
    )


def _compile_read(columns: Iterable[_Column], nested: Iterable[tuple[str, ...]]) -> Callable[[list[str]], Keywords]:
    """Generate what runs for every row; `nested` are the paths of the messages that columns are in, deepest first."""
    source = Source("cells")
    source.add(0, "def read(c):")
    messages = {(): "k", **{path: f"k{number}" for number, path in enumerate(nested)}}
    for variable in messages.values():
        source.add(1, f"{variable} = {{}}")
    for column in columns:
        unset = f"not in {source.bind(column.unset)}" if column.unset - {""} else "!= ''" if column.unset else "is not None"
        value = f"{source.bind(column.convert)}(v)"
        source.add(1, f"if (v := c[{column.index}]) {unset}: {messages[column.path[:-1]]}[{column.path[-1]!r}] = {value}")
    for path, variable in messages.items():
        if path:
            source.add(1, f"if {variable}: {messages[path[:-1]]}[{path[-1]!r}] = {variable}")
    source.add(1, "return k")
    compiled: Callable[[list[str]], Keywords] = source.compile("read")
    return compiled


def _column(index: int, title: str, resource: Resource, options: TableOptions) -> _Column | None:
    """The column's converter; None for a field that callers cannot set. Raises BadTable."""
    path, fields, found = tuple(title.split(".")), resource.fields, None
    for depth, part in enumerate(path, 1):
        found = next((each for each in fields if part in {each.name, values.json_name(each.name)}), None)
        if found is None:
            known = {each.name: each for each in fields} | ({} if depth > 1 else dict.fromkeys(("name", "parent", *id_names(resource))))
            raise BadTable(f"no field is named '{'.'.join(path[:depth])}', as a column is{values.nearest(part, known)}")
        if Behavior.OUTPUT_ONLY in found.behaviors or found.role in UNSTORED:
            return None
        if depth < len(path) and (found.label is not Label.SINGULAR or found.kind is not Kind.MESSAGE):
            raise BadTable(f"column '{title}': {found.path} has no fields of its own; put JSON into a column '{found.path}'")
        fields = found.fields
    assert found is not None
    names = tuple(part if part.islower() else snake(part) for part in path)
    return _Column(index, title, names, _cell_converter(found, options), _unset_texts(found, options))


def _unset_texts(found: Field, options: TableOptions) -> frozenset[str]:
    """With a text of its own for unset, an empty cell of an `optional string` is an empty string."""
    explicit_text = found.kind is Kind.STRING and found.label is Label.SINGULAR and found.presence is Presence.EXPLICIT
    return options.unset if options.unset and explicit_text else options.unset | {""}


def is_text(found: Field) -> bool:
    """Whether its cells are texts that a spreadsheet may run."""
    return found.label is Label.SINGULAR and found.kind in {Kind.STRING, Kind.BYTES}


def _cell_converter(found: Field, options: TableOptions) -> values.FromText:
    convert = values.text_converter(found)
    if options.raw or not is_text(found):
        return convert

    def unguarded(text: str) -> object:
        return convert(text[1:] if text[:1] == "'" and GUARDED.match(text) else text)

    return unguarded


@dataclass(frozen=True, slots=True)
class _CsvRows:
    lines: Any
    header: tuple[str, ...]
    columns: _Columns

    def __iter__(self) -> Iterator[Row | tuple[BadRow, object]]:
        while True:
            first = self.lines.line_num + 1
            try:
                cells = next(self.lines, None)
            except (csv.Error, UnicodeDecodeError) as problem:
                raise BadRow(first, "", f"is no CSV in UTF-8: {problem}") from problem  # Where the next row begins cannot be known.
            if cells is None:
                return
            if not cells:
                continue
            try:
                yield self.columns.row(first, cells)
            except BadRow as bad:
                yield bad, cells


@dataclass(frozen=True, slots=True)
class _JsonRows:
    stream: IO[str]
    resource: Resource
    options: TableOptions

    def __iter__(self) -> Iterator[Row | tuple[BadRow, object]]:
        settable = tuple(each for each in self.resource.fields if each.role not in UNSTORED and Behavior.OUTPUT_ONLY not in each.behaviors)
        convert = values.object_converter(settable)
        ignored = {key for each in self.resource.fields if each not in settable for key in (each.name, values.json_name(each.name))}
        place = {"parent", *id_names(self.resource)} - {each.name for each in self.resource.fields}
        place |= {values.json_name(name) for name in place}
        number = 0
        while True:
            number += 1
            try:
                text = self.stream.readline(limits.VALUE_BYTES_MAX + 1)
            except UnicodeDecodeError as problem:
                raise BadRow(number, "", f"is not UTF-8: {problem}") from problem
            if not text:
                return
            if not text.strip():
                continue
            if len(text) > limits.VALUE_BYTES_MAX:
                raise BadRow(number, "", f"is longer than {limits.VALUE_BYTES_MAX} characters")
            try:
                held = _json_object(text)
                fields = {key: item for key, item in held.items() if key not in ignored and key not in place and key[:1] != "_"}
                parent, own = self._place(held, place)
                yield Row(number, parent, own, convert(fields), held, len(text))
            except ValueError as problem:
                yield BadRow(number, "", str(problem)), text.rstrip("\r\n")

    def _place(self, held: Mapping[str, object], place: set[str]) -> tuple[str, str]:
        given = {("parent" if key == "parent" else "id"): item for key, item in held.items() if key in place}
        name = held.get("name")
        if not all(isinstance(item, str) for item in (*given.values(), name or "")):
            raise values.BadValue("name, parent and id must be strings")
        named = split_name(self.resource, str(name)) if name else ("", "")
        return str(given.get("parent") or named[0] or self.options.parent), str(given.get("id") or named[1])


def _json_object(text: str) -> dict[str, Any]:
    held = values.parse_json(text)
    if not isinstance(held, dict):
        raise values.BadValue(f"must be a JSON object, not {values.shown(held)}")
    return held


class RejectWriter:
    """Rows that were not taken, in the form they came in, with `_line` and `_error` added: mend them and import the file again."""

    def __init__(self, stream: IO[str], header: tuple[str, ...] | None) -> None:
        self.stream = stream
        self.table = csv.writer(stream) if header is not None else None
        if self.table is not None and header is not None:
            self.table.writerow((*header, "_line", "_error"))

    def write(self, line: int, source: object, problem: str) -> None:
        """One rejected row."""
        if self.table is not None:
            assert isinstance(source, list)
            self.table.writerow((*source, line, problem))
            return
        held = source if isinstance(source, dict) else {"_text": source}
        self.stream.write(json.dumps({**held, "_line": line, "_error": problem}, ensure_ascii=False) + "\n")

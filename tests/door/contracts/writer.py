"""Writes contracts: a .proto of two to four resources with fields of every type and names that trip code, legal by construction.

What a contract means to the oracle (`Schema`) is known to whoever writes it, and so is not read from its annotations.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from protoplane.cli.noun import FURTHER, METHODS
from protoplane.cli.scaffold import Wish, scaffold
from protoplane.contract.casing import snake
from tests.door.contracts import words
from tests.door.museum.rows import STRINGS
from tests.door.museum.schema import Schema

PACKAGE = "made.v1"
MAIN_ROWS, OTHER_ROWS = 100, 6
LEVELS_MAX = 4
LONG = "n" * 300
TEXTS = (*STRINGS, f"{LONG}a", f"{LONG}b")
LENGTHS = (3, 40, 255, 768)
INDEX_BYTES_MAX, INDEX_COLUMNS_MAX, COLUMN_CHARACTERS_MAX = 3_072, 16, 64

HEAD = """syntax = "proto3";

package made.v1;

import "buf/validate/validate.proto";
import "google/api/field_behavior.proto";
import "google/api/resource.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "protoplane/v1/options.proto";

// What it feels like.
enum Mood {
  MOOD_UNSPECIFIED = 0;
  MOOD_GOOD = 1;
  MOOD_BAD = -5;
  MOOD_LAST = 2147483647;
}
"""
INTEGERS = ("int32", "sint32", "sfixed32", "int64", "sint64", "sfixed64", "uint32", "fixed32", "uint64", "fixed64")
PLAIN = (*INTEGERS, "double", "float", "bool", "string", "string", "bytes", "Mood")
WRAPPERS = tuple(
    f"google.protobuf.{name}Value" for name in ("Bool", "Int32", "Int64", "UInt32", "UInt64", "Float", "Double", "String", "Bytes")
)
TIMES = ("google.protobuf.Timestamp", "google.protobuf.Duration")
DOCUMENTS = ("google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue")
KEYS = ("string", "int32", "sint64", "uint64", "fixed32", "bool")
SHAPES = (
    *["plain"] * 6, *["optional"] * 4, *["wrapper"] * 3, *["time"] * 2, *["document"] * 2, *["part"] * 2, *["repeated"] * 3, *["map"] * 3,
    *["reference"] * 3, "oneof", "sensitive", "input", "serial",
)  # fmt: skip


@dataclass
class Planned:
    """A resource before its fields are written."""

    message: str
    singular: str
    plural: str
    variable: str
    parent: Planned | None
    integer: bool
    any_id: bool
    names: list[str] = field(default_factory=list)
    columns: set[str] = field(default_factory=set)
    indexable: list[tuple[str, int, int]] = field(default_factory=list)
    """Path, bytes and columns."""
    unique: list[str] = field(default_factory=list)
    fields: set[str] = field(default_factory=set)

    @property
    def above(self) -> list[Planned]:
        """Those on the way to it and it, outermost first."""
        return [*(self.parent.above if self.parent else []), self]

    @property
    def pattern(self) -> str:
        """As the contract has it."""
        return "/".join(f"{one.plural}/{{{one.variable}}}" for one in self.above)

    @property
    def variables(self) -> list[str]:
        """The key columns."""
        return [one.variable for one in self.above]


@dataclass
class Part:
    """A message inside a resource, and what it becomes there."""

    message: str
    text: str = ""
    columns: list[str] = field(default_factory=list)
    searchable: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    """Paths that an index may have."""


@dataclass(frozen=True)
class Made:
    """A contract."""

    seed: int
    text: str
    schema: Schema
    resources: tuple[Planned, ...]
    """Parents before children; the last one has most of the rows."""


def write(seed: int) -> Made:
    """The contract of a seed."""
    return _Writer(seed).contract()


class _Writer:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chosen = random.Random(seed)
        self.references: dict[str, str] = {}
        self.hidden: set[str] = set()
        self.unfilled: set[str] = set()
        self.values: dict[str, Sequence[Any]] = {}
        self.serial: set[str] = set()
        self.bounded: set[str] = set()
        self.searched: dict[str, list[str]] = {}
        self.reference_names = list(words.REFERENCES)
        self.chosen.shuffle(self.reference_names)
        self.tables = list(words.TABLES)
        self.chosen.shuffle(self.tables)

    def contract(self) -> Made:
        resources = self.plan()
        parts = self.parts(resources)
        text = "\n".join([HEAD, *(part.text for part in parts), *(self.resource(one, resources, parts) for one in resources)])
        for one in resources:
            text = scaffold(text, Wish(one.message, methods=(*METHODS, *FURTHER)))
        parents = {
            one.message: {
                name: one.parent.message
                for name in dict.fromkeys((one.parent.singular, snake(one.parent.singular)))
                if name not in one.fields
            }
            for one in resources
            if one.parent
        }
        schema = Schema(
            references=self.references,
            parents=parents,
            searched=self.searched,
            hidden=frozenset(self.hidden),
            unfilled=frozenset(self.unfilled),
            values=self.values,
            names={one.message: tuple(self.literals(one)) for one in resources},
            serial=frozenset(self.serial),
            bounded=frozenset(self.bounded),
        )
        return Made(self.seed, text, schema, tuple(resources))

    # Resources and their names.

    def plan(self) -> list[Planned]:
        resources: list[Planned] = []
        for message, singular, plural in self.chosen.sample(words.RESOURCES, self.chosen.randint(2, 4)):
            parents = [one for one in resources if len(one.above) < LEVELS_MAX]
            parent = self.chosen.choice([None, *parents, *parents]) if parents else None
            suffix = self.chosen.choice(("", "", "_id"))
            integer = self.chosen.random() < 0.3
            one = Planned(message, singular, plural, snake(singular) + suffix, parent, integer, any_id=self.chosen.random() < 0.5)
            resources.append(one)
            one.columns = {*one.variables, "row_version"}
        for one in resources:
            one.names = self.names(one, MAIN_ROWS if one is resources[-1] else OTHER_ROWS)
        return resources

    def names(self, one: Planned, count: int) -> list[str]:
        """Most of them below one parent."""
        ids = self.ids(one, count)
        if one.parent is None:
            return [f"{one.plural}/{an_id}" for an_id in ids]
        first, *others = self.chosen.sample(one.parent.names, min(3, len(one.parent.names)))
        split = count * 3 // 4
        below = [(first, an_id) for an_id in ids[:split]]
        below += [(other, an_id) for other in others for an_id in ids[split - 2 : split + (count - split) // len(others)]]
        return [f"{parent}/{one.plural}/{an_id}" for parent, an_id in below]

    def ids(self, one: Planned, count: int) -> list[str]:
        if one.integer:
            return [str(number) for number in (*words.NUMBERS, *range(1_000, 1_000 + count))][:count]
        plain = ["a", "a-b", "b", "a0", *(f"i{number}" for number in range(count))]
        return list(dict.fromkeys((*words.IDS, *plain)))[:count] if one.any_id else plain[:count]

    def literals(self, one: Planned) -> Iterator[str]:
        """What names are compared with."""
        yield '""'
        yield f'"{"/".join(f"{level.plural}/*" for level in one.above)}"'
        for name in self.chosen.sample(one.names, min(4, len(one.names))):
            yield f'"{name}"'
            segments = name.split("/")
            for place, level in enumerate(one.above):
                an_id = segments[place * 2 + 1]
                wild = "*" if level.integer else self.chosen.choice((f"{an_id[0]}*", f"*{an_id[-1]}", "*", "*_*"))
                yield '"' + "/".join([*segments[: place * 2 + 1], wild, *segments[place * 2 + 2 :]]) + '"'

    # Fields.

    def parts(self, resources: list[Planned]) -> list[Part]:
        """Three messages, each inside the next."""
        made: list[Part] = []
        for depth in range(3):
            part = Part(f"Part{depth}")
            names = [name for name in words.PARTS if name not in ("x1", "name")] if depth else list(words.PARTS)
            self.chosen.shuffle(names)
            lines = [self.part_field(part, names.pop(), number, resources, made) for number in range(1, self.chosen.randint(4, 7))]
            part.text = f"// A part.\nmessage {part.message} {{\n" + "".join(lines) + "}\n"
            made.append(part)
        return made

    def part_field(self, part: Part, name: str, number: int, resources: list[Planned], made: list[Part]) -> str:
        path = f"{PACKAGE}.{part.message}.{name}"
        shape = self.chosen.choice(
            ("plain", "plain", "optional", "wrapper", "time", "repeated", "map", "document", "reference", *["part"] * (len(made) * 2))
        )
        if shape == "part":
            inner = made[-1]
            label = self.chosen.choice(("", "", "repeated ", "map"))
            if not label:
                part.columns += [name, *(f"{name}_{column}" for column in inner.columns)]
                part.searchable += [f"{name}.{text}" for text in inner.searchable]
                part.numbers += [f"{name}.{inside}" for inside in inner.numbers]
            else:
                part.columns.append(name)
            kind = f"map<string, {inner.message}>" if label == "map" else f"{label}{inner.message}"
            return f"  {kind} {name} = {number};\n"
        if shape == "reference":
            target = self.chosen.choice(resources)
            self.refer(path, target)
            part.columns += [name] if len(target.variables) == 1 else [f"{name}_{variable}" for variable in target.variables]
            return f'  string {name} = {number} [(google.api.resource_reference).type = "made.example.com/{target.message}"];\n'
        part.columns.append(name)
        kind = self.kind(shape)
        options = ""
        if kind in INTEGERS:
            part.numbers.append(name)
        if kind.endswith("string") and shape in ("plain", "optional"):
            self.values[path] = TEXTS
            if self.chosen.random() < 0.3:
                part.searchable.append(name)
                options = " [(protoplane.v1.field).searchable = true]"
        return f"  {kind} {name} = {number}{options};\n"

    def kind(self, shape: str) -> str:  # noqa: PLR0911 - one case a line.
        """A type with its label."""
        pick = self.chosen.choice
        match shape:
            case "plain" | "sensitive" | "input":
                return pick(PLAIN)
            case "optional":
                return f"optional {pick(PLAIN)}"
            case "wrapper":
                return pick(WRAPPERS)
            case "time":
                return pick(TIMES)
            case "document":
                return pick(DOCUMENTS)
            case "repeated":
                return f"repeated {pick((*PLAIN, *TIMES, *WRAPPERS, *DOCUMENTS))}"
            case "map":
                return f"map<{pick(KEYS)}, {pick((*PLAIN, *TIMES, *WRAPPERS[:3], *DOCUMENTS))}>"
        raise AssertionError(shape)

    def refer(self, path: str, target: Planned) -> None:
        self.references[path] = target.message
        names = self.chosen.sample(target.names, min(8, len(target.names)))
        gone = target.names[0].rpartition("/")[0] + ("/777777" if target.integer else "/gone")
        self.values[path] = ("", *names, gone)

    def resource(self, one: Planned, resources: list[Planned], parts: list[Part]) -> str:
        self.references[f"{PACKAGE}.{one.message}.name"] = one.message
        self.unfilled.add(f"{PACKAGE}.{one.message}.name")
        self.searched[one.message] = []
        one.fields.add("name")
        names = self.chosen.sample(words.FIELDS, len(words.FIELDS))
        shapes = self.chosen.sample(SHAPES, self.chosen.randint(14, 24))
        lines = ["  string name = 1 [(google.api.field_behavior) = IDENTIFIER];\n"]
        for shape in shapes:
            number = len(lines) * 3 + self.chosen.choice((0, 1, 2))
            lines.append("".join(self.field(one, shape, names, number, resources, parts)))
        lines += self.roles(one, len(lines) * 3 + 3)
        return f"// A resource.\nmessage {one.message} {{\n{self.head(one)}\n{''.join(lines)}}}\n"

    def head(self, one: Planned) -> str:
        lines = [
            "  option (google.api.resource) = {",
            f'    type: "made.example.com/{one.message}"',
            f'    pattern: "{one.pattern}"',
            f'    singular: "{one.singular}"',
            f'    plural: "{one.plural}"',
            "  };",
            "  option (protoplane.v1.storage) = {",
        ]
        if self.chosen.random() < 0.5:
            lines.append(f'    table: "{self.tables.pop()}"')
        if one.integer:
            lines.append("    id: { integer: true }")
        elif one.any_id:
            lines.append('    id: { pattern: "[A-Za-z0-9._~-]{1,63}" }')
        for paths, unique in self.indexes(one):
            quoted = ", ".join(f'"{path}"' for path in paths)
            lines.append(f"    index: {{ fields: [{quoted}]{' unique: true' if unique else ''} }}")
        return "\n".join([*lines, "  };\n"])

    def indexes(self, one: Planned) -> Iterator[tuple[tuple[str, ...], bool]]:
        seen: set[tuple[str, ...]] = set()
        for unique in (*[False] * self.chosen.randint(0, 4), *[True] * len(one.unique)):
            paths: list[str] = [one.unique.pop()] if unique else []
            room, columns = INDEX_BYTES_MAX - 200 * len(paths), INDEX_COLUMNS_MAX - len(paths)
            for path, wide, count in self.chosen.sample(one.indexable, min(len(one.indexable), self.chosen.randint(1, 3))):
                if path not in paths and wide <= room and count <= columns and not (unique and len(paths) > 1):
                    paths.append(path)
                    room, columns = room - wide, columns - count
            if paths and tuple(paths) not in seen:
                seen.add(tuple(paths))
                yield tuple(paths), unique

    def roles(self, one: Planned, number: int) -> Iterator[str]:
        filled = {"create_time": "google.protobuf.Timestamp", "update_time": "google.protobuf.Timestamp", "uid": "string", "etag": "string"}
        for offset, (name, kind) in enumerate(filled.items()):
            if self.chosen.random() < 0.5:
                continue
            self.unfilled.add(f"{PACKAGE}.{one.message}.{name}")
            one.fields.add(name)
            if name == "etag":
                self.hidden.add(f"{PACKAGE}.{one.message}.{name}")
            options = "" if name == "etag" else " [(google.api.field_behavior) = OUTPUT_ONLY]"
            yield f"  {kind} {name} = {number + offset}{options};\n"

    def name_of(self, one: Planned, names: list[str]) -> str:
        """One whose form in JSON nobody has."""
        while True:
            name = names.pop()
            if json_form(name) not in map(json_form, one.fields):
                one.fields.add(name)
                return name

    def field(self, one: Planned, shape: str, names: list[str], number: int, resources: list[Planned], parts: list[Part]) -> Iterator[str]:
        match shape:
            case "oneof":
                members = [
                    self.scalar(one, inner, self.name_of(one, names), number * 100 + n, of_oneof=True)
                    for n, inner in enumerate(("plain", "time", "plain"))
                ]
                yield f"  oneof choice_{number} {{\n" + "".join(f"  {line}" for line in members) + "  }\n"
            case "part":
                yield self.part(one, self.name_of(one, names), number, self.chosen.choice(parts))
            case "reference" if self.reference_names:
                name = self.reference_names.pop()
                one.fields.add(name)
                yield self.reference(one, name, number, self.chosen.choice(resources))
            case "reference":
                yield self.scalar(one, "plain", self.name_of(one, names), number)
            case _:
                yield self.scalar(one, shape, self.name_of(one, names), number)

    def reference(self, one: Planned, name: str, number: int, target: Planned) -> str:
        path = f"{PACKAGE}.{one.message}.{name}"
        self.refer(path, target)
        columns = [name] if len(target.variables) == 1 else [f"{name}_{variable}" for variable in target.variables]
        one.columns |= set(columns)
        one.indexable.append((name, 252 * len(columns), len(columns)))
        kind = self.chosen.choice(("string", "string", "optional string", "google.protobuf.StringValue"))
        return f'  {kind} {name} = {number} [(google.api.resource_reference).type = "made.example.com/{target.message}"];\n'

    def part(self, one: Planned, name: str, number: int, part: Part) -> str:
        label = self.chosen.choice(("", "", "repeated ", "map"))
        columns = [name, *(f"{name}_{column}" for column in part.columns)]
        fits = not one.columns & set(columns) and len(set(columns)) == len(columns) and all(map(legal, columns))
        if label == "" and fits:
            one.columns |= set(columns)
            self.searched[one.message] += [f"{name}.{text}" for text in part.searchable]
            one.indexable += [(f"{name}.{inside}", 8, 1) for inside in part.numbers]
            return f"  {part.message} {name} = {number};\n"
        kind = f"map<string, {part.message}>" if label == "map" else f"repeated {part.message}"
        options = self.column(one, name)
        return f"  {kind} {name} = {number}{in_brackets(options)};\n"

    def column(self, one: Planned, name: str) -> list[str]:
        """The option that gives a field another column, where its own is taken or cannot be."""
        if name not in one.columns and legal(name) and self.chosen.random() < 0.95:
            one.columns.add(name)
            return []
        column = f"c{len(one.columns)}_order"
        one.columns.add(column)
        return [f'(protoplane.v1.field).column = "{column}"']

    def scalar(self, one: Planned, shape: str, name: str, number: int, *, of_oneof: bool = False) -> str:
        path = f"{PACKAGE}.{one.message}.{name}"
        if shape == "serial":
            return self.serial_field(one, name, number, path)
        kind, options = self.kind(shape), self.column(one, name)
        bare = kind.rpartition(" ")[2]
        if shape in ("sensitive", "input"):
            self.hidden.add(path)
            options.append("(protoplane.v1.field).sensitive = true" if shape == "sensitive" else "(google.api.field_behavior) = INPUT_ONLY")
        elif shape in ("plain", "optional", "time") and bare not in ("string", "bytes"):
            one.indexable.append((name, 8, 1))
        if bare in ("string", "google.protobuf.StringValue") and shape not in ("repeated", "sensitive", "input", "map"):
            options += self.text(one, name, path)
        elif kind == "repeated string" and self.chosen.random() < 0.3:
            self.searched[one.message].append(name)
            options.append("(protoplane.v1.field).searchable = true")
        elif bare == "bytes" and shape in ("plain", "optional") and not of_oneof and self.chosen.random() < 0.5:
            options.append("(buf.validate.field).bytes.max_len = 20")
            one.indexable.append((name, 20, 1))
        return f"  {kind} {name} = {number}{in_brackets(options)};\n"

    def text(self, one: Planned, name: str, path: str) -> list[str]:
        """The options of a string, perhaps with a bound."""
        options: list[str] = []
        self.values[path] = TEXTS
        if self.chosen.random() < 0.5:
            length = self.chosen.choice(LENGTHS)
            self.values[path] = tuple(text for text in TEXTS if len(text) <= length)
            options.append(f"(buf.validate.field).string.max_len = {length}")
            self.bounded.add(path)
            one.indexable.append((name, length * 4, 1))
        if self.chosen.random() < 0.3:
            self.searched[one.message].append(name)
            options.append("(protoplane.v1.field).searchable = true")
        return options

    def serial_field(self, one: Planned, name: str, number: int, path: str) -> str:
        """For unique indexes."""
        kind = self.chosen.choice(("string", "optional string", "int64", "optional uint32"))
        options = self.column(one, name)
        if kind.endswith("string"):
            options.append("(buf.validate.field).string.max_len = 40")
            self.bounded.add(path)
        self.serial.add(path)
        one.unique.append(name)
        return f"  {kind} {name} = {number}{in_brackets(options)};\n"


def json_form(name: str) -> str:
    """As protoc makes it, with a capital in front: so it names what holds a map."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def legal(column: str) -> bool:
    """Whether every engine can have the column."""
    return len(column) <= COLUMN_CHARACTERS_MAX and column == column.lower() and column not in ("true", "false")


def in_brackets(options: list[str]) -> str:
    """Options of a field."""
    return f" [{', '.join(options)}]" if options else ""

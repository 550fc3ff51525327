"""YAML, JSON, JSON lines and CSV as values that know where they stand, so that what is wrong with one can be told with its place."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from protoplane.access.context import ContextTooLarge, canonical

FILE_BYTES_MAX = 16 * 1024 * 1024

NULL = "tag:yaml.org,2002:null"


class BrokenFile(Exception):
    """A file that cannot be used, with the place in it."""

    def __init__(self, path: Path, line: int, column: int, text: str) -> None:
        super().__init__(f"{path}:{line}:{column}: {text}")


class _Loader(yaml.SafeLoader):
    """YAML 1.2's scalars: a time is a string, and so is `yes`."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), [*_first])


@dataclass(frozen=True, slots=True)
class Item:
    """A value of a file. Lines count from 1."""

    path: Path
    node: yaml.Node
    line_offset: int = 0

    def wrong(self, text: str) -> BrokenFile:
        """What is wrong with it, and where it stands."""
        mark = self.node.start_mark
        return BrokenFile(self.path, mark.line + 1 + self.line_offset, mark.column + 1, text)

    def fields(self, allowed: Collection[str]) -> Mapping[str, Item]:
        """The values of an object that has no other keys than these; those that are null are left out. Raises BrokenFile."""
        found = self.entries(allowed)
        for key, _ in self.node.value:
            if key.value not in allowed:
                raise self._inner(key).wrong(f"'{key.value}' is not known here; what may stand here is {', '.join(allowed)}")
        return {name: value for name, value in found.items() if value.node.tag != NULL}

    def entries(self, allowed: Collection[str] = ()) -> Mapping[str, Item]:
        """The values of an object, whatever its keys are. Raises BrokenFile."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.wrong(f"an object with {', '.join(allowed) or 'relations'} is expected here")
        found: dict[str, Item] = {}
        for key, value in self.node.value:
            name = self._inner(key).text()
            if name in found:
                raise self._inner(key).wrong(f"'{name}' stands here twice")
            found[name] = self._inner(value)
        return found

    def items(self) -> Sequence[Item]:
        """The values of a list. Raises BrokenFile."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.wrong("a list is expected here")
        return [self._inner(node) for node in self.node.value]

    def text(self) -> str:
        """A string; a number is one as it is written. Raises BrokenFile."""
        if not isinstance(self.node, yaml.ScalarNode) or self.node.tag == NULL:
            raise self.wrong("a string is expected here")
        return str(self.node.value)

    def truth(self) -> bool:
        """True or false. Raises BrokenFile."""
        if self.node.tag != "tag:yaml.org,2002:bool":
            raise self.wrong("true or false is expected here")
        return str(self.node.value).lower() == "true"

    def context(self) -> Mapping[str, object]:
        """An object of JSON. Raises BrokenFile."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.wrong("an object is expected here")
        try:
            value = yaml.constructor.SafeConstructor().construct_document(self.node)
            canonical(value)
        except ContextTooLarge as large:
            raise self.wrong(str(large)) from None
        except (yaml.YAMLError, TypeError, ValueError, RecursionError):
            raise self.wrong("this is nothing that JSON can say") from None
        return {str(key): inner for key, inner in value.items()}

    def _inner(self, node: yaml.Node) -> Item:
        return Item(self.path, node, self.line_offset)


def read_text(path: Path, named_by: Item | None = None) -> str:
    """The text of a file, which another may name. Raises BrokenFile."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) <= FILE_BYTES_MAX:
            return data.decode("utf-8")
        problem = f"it has more than {FILE_BYTES_MAX} bytes"
    except (OSError, ValueError) as error:
        problem = str(error.strerror if isinstance(error, OSError) else error)
    text = f"{path} cannot be read: {problem}"
    raise named_by.wrong(text) if named_by is not None else BrokenFile(path, 1, 1, text)


def read_yaml(path: Path, text: str, line_offset: int = 0) -> Item:
    """The one document of a text: YAML, or JSON. Raises BrokenFile."""
    try:
        node = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark is not None else (0, 0)
        raise BrokenFile(path, line + 1 + line_offset, column + 1, error.problem or "this is no YAML") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise BrokenFile(path, 1 + line_offset, 1, str(error).partition("\n")[0]) from None
    if node is None:
        raise BrokenFile(path, 1 + line_offset, 1, "there is nothing in it")
    return Item(path, node, line_offset)


def read_lines(path: Path, text: str) -> Sequence[Item]:
    """JSON lines. Raises BrokenFile."""
    return [read_yaml(path, line, number) for number, line in enumerate(text.splitlines()) if line.strip()]


def read_rows(path: Path, text: str, columns: Collection[str]) -> Sequence[tuple[int, Mapping[str, str]]]:
    """The rows of a CSV file with some of these columns, and their lines. Raises BrokenFile."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, restkey="")
    try:
        unknown = [name for name in reader.fieldnames or () if name not in columns]
        if unknown:
            raise BrokenFile(path, 1, 1, f"'{unknown[0]}' is not known here; the columns are {', '.join(columns)}")
        rows = []
        for row in reader:
            if "" in row or None in row.values():
                raise BrokenFile(path, reader.line_num, 1, f"the row has not the {len(reader.fieldnames or ())} columns of the first line")
            rows.append((reader.line_num, row))
    except csv.Error as error:
        raise BrokenFile(path, reader.line_num, 1, str(error)) from None
    return rows

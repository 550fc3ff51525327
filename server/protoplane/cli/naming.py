"""The module of a client package with a class for each kind of resource name (AIP-4231)."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from google.protobuf.descriptor import Descriptor

from protoplane.cli.pymodules import home_of, imported_from, module_path
from protoplane.contract.casing import upper_camel
from protoplane.contract.model import Contract
from protoplane.contract.options import Annotations, ResourceOption

MODULE = "names.py"

HEAD = '''\
"""Names of resources. Written by `protoplane generate`; changes here are lost."""

from __future__ import annotations

import dataclasses as _dataclasses
import typing as _typing

from {runtime} import names as _names
'''

CLASS = '''

@_dataclasses.dataclass(frozen=True, kw_only=True)
class {name}(_names.ResourceName):
    """Name of a `{type}`: `{pattern}`."""

    PATTERN: _typing.ClassVar[str] = "{pattern}"

{fields}'''

TAKEN = frozenset({"format", "parse", "parent", "wildcard"})
"""Attributes that every name has."""

_VARIABLE = re.compile(r"\{(\w+)[^}]*\}")


class CannotName(Exception):
    """Two kinds of names would be one class."""


def naming_modules(contract: Contract) -> Mapping[PurePosixPath, str]:
    """The text of each module by its path: one in each folder whose files define resources. Raises CannotName and CannotImport."""
    runtime = home_of(contract.served) / "runtime"
    folders: dict[PurePosixPath, dict[str, str]] = {}
    for name, resource in _defined(contract):
        classes = folders.setdefault(module_path(name).parent, {})
        for title, text in _classes(resource.type, resource.patterns):
            if classes.setdefault(title, text) != text:
                raise CannotName(f"{name}: names of {resource.type} would be called {title}, as those of another resource are")
    return {
        folder / MODULE: HEAD.format(runtime=imported_from(folder, runtime)) + "".join(classes.values())
        for folder, classes in folders.items()
        if classes
    }


def _defined(contract: Contract) -> Iterator[tuple[str, ResourceOption]]:
    """The resources that the contract has or mentions, each with the file that says so."""
    # Untyped: the stubs have two types for each descriptor.
    pool: Any = next(iter(contract.messages.values())).DESCRIPTOR.file.pool
    annotations = Annotations(pool)
    for name in contract.served:
        file = pool.FindFileByName(name)
        found = (annotations.resource(message) for message in _within(file.message_types_by_name.values()))
        yield from ((name, resource) for resource in (*found, *annotations.definitions(file)) if resource is not None)


def _within(messages: Iterable[Descriptor]) -> Iterator[Descriptor]:
    for message in messages:
        yield message
        yield from _within(message.nested_types)


def _classes(resource_type: str, patterns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name and text of a class for each pattern: `BookName`; those after the first say below what: `AuthorBookName`."""
    short = resource_type.rpartition("/")[2]
    for index, pattern in enumerate(pattern for pattern in patterns if pattern != "*"):
        variables = _VARIABLE.findall(pattern)
        above = variables[:-1] if pattern.endswith("}") else variables
        prefix = "".join(upper_camel(word) for variable in above for word in variable.split("_")) if index else ""
        name = f"{prefix}{short}Name"
        fields = "".join(
            f"    {variable}{'_' if keyword.iskeyword(variable) or variable in TAKEN else ''}: str\n" for variable in variables
        )
        yield name, CLASS.format(name=name, type=resource_type, pattern=_VARIABLE.sub(r"{\1}", pattern), fields=fields)

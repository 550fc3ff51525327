"""Proto files to a `Contract`, or to everything that is wrong with them.

Nothing here serves anything: a contract is read once, at start, and refused whole when there is one finding.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor, FileDescriptor

from protoplane.contract.expansions import lint_expansions
from protoplane.contract.fields import FieldReader
from protoplane.contract.lint import Linter
from protoplane.contract.methods import MethodReader
from protoplane.contract.model import Contract, Finding, Method, Place, Resource
from protoplane.contract.options import Annotations
from protoplane.contract.pool import Places, Pool, messages_of, open_pool
from protoplane.contract.report import Report
from protoplane.contract.resources import ResourceReader, with_parents
from protoplane.contract.sources import PLATFORM, compile_files, locate
from protoplane.contract.verbs import lint_verbs
from protoplane.contract.views import lint_views


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of loading: the contract, or None and why. There are only errors, no warnings."""

    contract: Contract | None
    findings: tuple[Finding, ...]
    draft: Contract | None = None
    """The contract as far as it could be read, faults and all: good for finding more of them, and for nothing else."""


Implemented: TypeAlias = Container[str] | Callable[[Pool], Container[str]]
"""Paths (`/library.v1.Library/MoveBook`) of the methods that Python implements or wraps; or what finds them once there are classes."""


def load(roots: Sequence[Path], files: Sequence[str] | None = None, *, implemented: Implemented = frozenset()) -> Loaded:
    """Compile, read and judge a contract.

    `roots` are the proto folders of the project: every .proto below them is the contract's own, unless `files` names some by
    import path.
    Findings name files by import path; `sources.locate` gives the file on the disk.
    """
    report = Report()
    compiled = compile_files(roots, files, report)
    if compiled is None:
        return Loaded(None, report.findings())
    pool = open_pool(compiled.data)
    paths = implemented(pool) if callable(implemented) else implemented
    contract = _Reading(pool, compiled.own, report, _lines_of(roots)).read(paths)
    findings = report.findings()
    return Loaded(None if findings else contract, findings, contract)


def _lines_of(roots: Sequence[Path]) -> Callable[[str], Sequence[str]]:
    """Reads a file of the contract by its import path; of an import, no lines."""

    @cache
    def lines(name: str) -> Sequence[str]:
        path = locate(roots, name)
        return path.read_text(encoding="utf-8", errors="replace").splitlines() if path else ()

    return lines


class _Reading:
    """One contract while it is read."""

    def __init__(self, pool: Pool, own: Sequence[str], report: Report, lines_of: Callable[[str], Sequence[str]]) -> None:
        self._pool = pool
        self._own = tuple(name for name in pool.files if name in own)  # In the order of what depends on what.
        self._report = report
        self._places = Places(pool.files, lines_of)
        self._annotations = Annotations(pool.descriptors)
        self._fields = FieldReader(self._annotations, self._places)

    def read(self, implemented: Container[str]) -> Contract:
        """The contract; only good for anything when the report stayed empty."""
        self._check_syntax()
        linter = Linter(self._annotations, self._places, self._report, files=[self._file(name) for name in self._pool.files])
        own = [message for name in self._own for message in messages_of(self._file(name))]
        found = self._resources(own)
        linter.lint_messages(own, self._pool.messages)
        linter.lint_resources(found)
        resources = with_parents({resource.key: resource for resource in found})
        methods = {method.path: method for method in self._methods(resources, implemented)}
        lint_expansions(resources, methods.values(), self._report)
        lint_views(resources, list(methods.values()), self._report)
        lint_verbs(methods.values(), self._report)
        return Contract(
            resources=resources,
            methods=methods,
            files={name: file.SerializeToString() for name, file in self._pool.files.items()},
            served=self._own,
            messages=self._pool.messages,
        )

    def _file(self, name: str) -> FileDescriptor:
        return self._pool.descriptors.FindFileByName(name)

    def _check_syntax(self) -> None:
        for name in self._own:
            syntax = self._pool.files[name].syntax or "proto2"
            if syntax != "proto3":
                self._report.add(Place(name, 1), "syntax-unsupported", f"the file is {syntax}", 'write syntax = "proto3";')

    def _resources(self, own: Sequence[Descriptor]) -> list[Resource]:
        reader = ResourceReader(self._annotations, self._fields, self._places, self._report)
        read = (reader.read(message, self._pool.messages[message.full_name]) for message in own)
        return [resource for variants in read for resource in variants]

    def _methods(self, resources: dict[str, Resource], implemented: Container[str]) -> Iterator[Method]:
        reader = MethodReader(self._annotations, self._fields, self._places, self._report, resources=resources, implemented=implemented)
        related = any(resource.access.relations for resource in resources.values())
        for name in (*self._own, *(PLATFORM if related else ())):
            for service in self._file(name).services_by_name.values():
                for method in service.methods:
                    yield reader.read(method, self._pool.messages)

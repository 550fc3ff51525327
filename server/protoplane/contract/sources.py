"""The files of a contract: where they and what they import lie, and what protoc makes of them."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from protoplane.contract.model import Place
from protoplane.contract.report import Report

ANNOTATIONS = (
    "buf/validate/validate.proto",
    "google/api/field_behavior.proto",
    "google/api/field_info.proto",
    "google/api/resource.proto",
    "protoplane/v1/options.proto",
)
"""Compiled with every contract, so that its options can be read whether or not its files import them."""

PROTOCOLS = ("grpc/reflection/v1/reflection.proto", "grpc/reflection/v1alpha/reflection.proto")
"""Compiled with every contract too: `edge.reflection` speaks and describes them, and another run of protoc would cost 0.1 s."""

PLATFORM = ("protoplane/access/v1/access.proto",)
"""Services of ours that are served beside a contract's own where it uses what they are about; compiled with every contract, as above."""

PROTOC_SECONDS_MAX = 60.0
"""An ordinary contract takes 0.1 s."""

_OPERATIONS = "google/longrunning/operations.proto"
_SKIPPED_FOLDERS = frozenset({"node_modules"})
_AT_LINE = re.compile(r"(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): (?P<text>.*)")
_AT_FILE = re.compile(r"(?P<file>.+\.proto): (?P<text>.*)")
_IMPORT_MEND = (
    "correct the import or put the file below a proto folder of the project;"
    " google/{api,rpc,type,longrunning,protobuf}, buf/validate and protoplane/v1 are always there"
)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What protoc made: a serialised `google.protobuf.FileDescriptorSet`, dependencies first, with source info."""

    data: bytes
    own: tuple[str, ...]
    """Import paths of the contract's own files."""


def compile_files(roots: Sequence[Path], files: Sequence[str] | None, report: Report) -> Compiled | None:
    """Run protoc over the contract; None, with its complaints in the report, when it refuses."""
    own = _own_files(roots, files, report)
    for name in own:
        if not name.isascii():  # The protobuf runtime does not find such files again.
            report.add(Place(name), "file-name", "the path of the file is not ASCII", "rename it or its folder")
    if report.findings():
        return None
    with _includes() as includes, tempfile.TemporaryDirectory(prefix="protoplane-") as folder:
        output = Path(folder) / "contract.binpb"
        paths = tuple(dict.fromkeys((*(root.resolve() for root in roots), *includes)))
        command = [sys.executable, "-P", "-m", "grpc_tools.protoc", *(f"-I{path}" for path in paths)]
        command += ["--include_imports", "--include_source_info", f"--descriptor_set_out={output}"]
        command += [name for name in (*ANNOTATIONS, *PROTOCOLS, *PLATFORM) if name not in own]
        # Whole paths: protoc would take an import path for a file of the working directory.
        command += [str(path) for path in own.values()]
        complaints = _run(command)
        if complaints is not None:
            _report_protoc(complaints, paths, report)
            return None
        return Compiled(output.read_bytes(), tuple(own))


def locate(roots: Sequence[Path], name: str) -> Path | None:
    """The file that an import path (`library/v1/library.proto`) stands for among the contract's own; None for an import."""
    return next((root / name for root in roots if (root / name).is_file()), None)


@cache
def include_roots() -> tuple[Path, ...]:
    """Folders with what every contract may import, in order: Protoplane's own, buf's, Google's."""
    package = Path(__file__).resolve().parents[1]
    places = (package / "protos", package.parents[1] / "protos")  # In a wheel; in a checkout.
    own = next((place for place in places if (place / "protoplane/v1/options.proto").is_file()), None)
    if own is None:
        raise RuntimeError("the installation is incomplete: protoplane/v1/options.proto is missing")
    found = importlib.util.find_spec("google.api")
    google = [Path(place).parents[1] for place in (found.submodule_search_locations or ())] if found else []
    return (own, own / "third_party", *google)


@contextmanager
def _includes() -> Iterator[tuple[Path, ...]]:
    """The include roots and, while it lasts, a folder with the one file that the installed package calls by another name."""
    roots = include_roots()
    packaged = next((path for root in roots if (path := root / "google/longrunning/operations_proto.proto").is_file()), None)
    if packaged is None or any((root / _OPERATIONS).is_file() for root in roots):
        yield roots
        return
    with tempfile.TemporaryDirectory(prefix="protoplane-include-") as folder:
        alias = Path(folder) / _OPERATIONS
        alias.parent.mkdir(parents=True)
        shutil.copyfile(packaged, alias)
        yield (*roots, Path(folder))


def is_ours(name: str) -> bool:
    """Whether an import path is one that every contract may import, and that is no contract's own."""
    return name == _OPERATIONS or any((include / name).is_file() for include in (*include_roots(), _well_known()))


@cache
def _well_known() -> Path:
    """The folder with google/protobuf that comes with protoc."""
    found = importlib.util.find_spec("grpc_tools")
    return Path((found.submodule_search_locations or ["."])[0] if found else ".") / "_proto"


def _own_files(roots: Sequence[Path], files: Sequence[str] | None, report: Report) -> dict[str, Path]:
    """The contract's own files by import path; copies of what every contract may import (vendored google/ or buf/) are not its own."""
    own: dict[str, Path] = {}
    if files is not None:
        for name in files:
            path = locate(roots, name)
            if path is None:
                report.add(Place(name), "files-missing", "the file is in none of the proto folders", "correct its name or add it")
            else:
                own[name] = path.resolve()
        return own
    for root in roots:
        for path in sorted(root.resolve().rglob("*.proto")):
            parts = path.relative_to(root.resolve()).parts
            name = "/".join(parts)
            hidden = any(part.startswith(".") or part in _SKIPPED_FOLDERS for part in parts[:-1])
            if not hidden and name != _OPERATIONS and not any((include / name).is_file() for include in include_roots()):
                first = own.setdefault(name, path)
                if first != path:
                    report.add(Place(name), "file-name", f"two proto folders have this file: {first} and {path}", "keep one of them")
    if not own:
        where = ", ".join(str(root) for root in roots) or "no folder"
        report.add(Place(where), "files-missing", "there is no .proto file here", "write one, or name the folder that has them")
    return own


def _run(command: Sequence[str]) -> str | None:
    """Run protoc; what it says when it refuses, else None."""
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, arguments as a list.
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=PROTOC_SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it took more than {PROTOC_SECONDS_MAX:.0f} s"
    return done.stderr if done.returncode else None


def _report_protoc(text: str, roots: Sequence[Path], report: Report) -> None:
    """Protoc's complaints as findings at their own line; each text is protoc's."""
    missing = False
    for line in text.splitlines():
        at_line, at_file = _AT_LINE.match(line), _AT_FILE.match(line)
        if at_line is not None:
            problem = at_line["text"]
            place = Place(_import_path(at_line["file"], roots), int(at_line["line"]), int(at_line["column"]))
            if not problem.startswith("warning:"):
                report.add(place, "proto", problem, _IMPORT_MEND if problem.startswith("Import ") else "correct the line")
        elif at_file is not None and at_file["text"] == "File not found.":
            missing = True  # The import that asked for it is the better place, and comes next.
        elif at_file is not None:
            report.add(Place(_import_path(at_file["file"], roots)), "proto", at_file["text"], "correct the file")
    if not report.findings():
        problem = "a file was not found" if missing else f"protoc failed: {text.strip()[:500] or 'no reason given'}"
        report.add(Place(str(roots[0])), "proto", problem, "see protoc's text")


def _import_path(path: str, roots: Sequence[Path]) -> str:
    """The import path of a file that protoc names by its place on the disk."""
    within = [str(Path(path).relative_to(root)) for root in roots if Path(path).is_relative_to(root)]
    return min(within, key=len, default=path)

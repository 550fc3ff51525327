"""`protoplane stubs`: the contract as typed Python modules for a team's own code.

Each .proto becomes two files: a `.pyi` for mypy and editors, and a module that gives the very classes the server uses,
so that compiled methods and custom code share one class a message.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from protoplane.cli.project import STUBS, failure, project_option, read_contract, read_settings

if TYPE_CHECKING:
    from protoplane.contract.model import Contract

WRITTEN = "Written by `protoplane stubs`"
"""In the first line of every file that is ours to replace and remove."""


def stub_files(contract: Contract) -> dict[str, str]:
    """Path and text of every stub and module of a contract."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    from protoplane.cli.pyi import Stub
    from protoplane.contract.model import MethodKind
    from protoplane.contract.modules import module_of, needed_files, places_of, runtime_text

    every = {name: FileDescriptorProto.FromString(data) for name, data in contract.files.items()}
    files = needed_files(every, contract.served)
    places = places_of(files)
    standard = frozenset(path for path, method in contract.methods.items() if method.kind is not MethodKind.CUSTOM)
    texts: dict[str, str] = {}
    for file in files:
        base = module_of(file.name).replace(".", "/")
        texts[f"{base}.pyi"] = Stub(file, places, standard).text()
        texts[f"{base}.py"] = runtime_text(file)
    return texts


def write_stubs(folder: Path, texts: dict[str, str]) -> int:
    """Write what changed and remove stubs of files that are gone; gives how many files differ from before.

    Raises FileExistsError for a file in the way that we did not write.
    """
    old = {path for path in folder.rglob("*.py*") if path.suffix in {".py", ".pyi"} and WRITTEN in _first_line(path)}
    wanted = {folder / name: text for name, text in texts.items()}
    for path in wanted:
        if path.exists() and path not in old:
            raise FileExistsError(f"{path} is not ours to replace; choose another folder with --out")
    changed = 0
    for path, text in wanted.items():
        if path not in old or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            changed += 1
    for path in old - wanted.keys():
        path.unlink()
        changed += 1
    return changed


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline(500)


@click.command(name="stubs")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help=f"Folder to write into (default: {STUBS} in the project).")
@project_option
def command(*, out: Path | None, project: Path) -> None:
    """Write typed modules of the contract for custom code: `from library.v1.library import Book, LibraryServicer`.

    Run it after a change of the contract. For mypy, add the folder to `mypy_path`; the server finds it by itself.
    """
    contract = read_contract(read_settings(project))
    folder = out or project / STUBS
    try:
        texts = stub_files(contract)
        changed = write_stubs(folder, texts)
    except OSError as problem:
        raise failure(str(problem)) from problem
    click.echo(f"{folder}: {len(texts)} files, {changed} changed", err=True)

"""`protoplane breaking OLD`: what in the contract breaks clients of an earlier edition of it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from protoplane.base import config
from protoplane.cli.project import failure, give_up, project_option, read_settings

if TYPE_CHECKING:
    from protoplane.contract.breaks import Break
    from protoplane.contract.edition import Edition

GIT_SECONDS_MAX = 30.0


def as_json(found: Sequence[Break]) -> str:
    """The findings as a JSON array: file, line, column, edition, rule, problem, why, mend."""
    shown = [
        {
            "file": each.place.file,
            "line": each.place.line,
            "column": each.place.column,
            "edition": "old" if each.gone else "new",
            "rule": each.rule,
            "problem": each.problem,
            "why": each.why,
            "mend": each.mend,
        }
        for each in found
    ]
    return json.dumps(shown, indent=2, ensure_ascii=False)


@click.command(name="breaking")
@click.argument("old")
@click.option("--json", "as_data", is_flag=True, help="Print the findings as JSON.")
@project_option
def command(old: str, *, as_data: bool, project: Path) -> None:
    """Show what in the contract breaks clients of an OLD edition of it: where, what, why, how to mend it.

    OLD is a commit, tag or branch of git (main), a folder with .proto files or a project in it, or a descriptor set
    (protoc --include_imports --descriptor_set_out, buf build --as-file-descriptor-set). Exit code 1 when there is anything but
    what `accepted_breaks` of the project says is meant.
    """
    from protoplane.contract.breaking import breaks
    from protoplane.contract.edition import Unreadable, read_folders

    settings = read_settings(project)
    try:
        new = read_folders(settings.proto_roots)
        found = breaks(_old_edition(old, project, settings.proto_roots, new), new)
    except Unreadable as problem:
        give_up(problem.findings)
    found = _unless_meant(found, settings.project.accepted_breaks)
    click.echo(as_json(found) if as_data else "\n".join(map(str, found)), nl=as_data or bool(found))
    if not found:
        click.echo(f"nothing breaks clients of {old}", err=True)
        return
    click.echo(f"{len(found)} {'break' if len(found) == 1 else 'breaks'} of what clients of {old} rely on", err=True)
    sys.exit(1)


def _unless_meant(found: Sequence[Break], accepted: Sequence[str]) -> tuple[Break, ...]:
    """The breaks that the project does not accept; how many it does, and which of its words are about nothing, on stderr."""
    texts = {each.text for each in found}
    for text in accepted:
        if text not in texts:
            click.echo(f"project.accepted_breaks: no break any more, take it away: {text}", err=True)
    left = tuple(each for each in found if each.text not in accepted)
    if len(left) < len(found):
        click.echo(f"{len(found) - len(left)} accepted by project.accepted_breaks", err=True)
    return left


def _old_edition(old: str, project: Path, roots: Sequence[Path], new: Edition) -> Edition:
    """The edition that the argument names. Raises Unreadable, and click's own errors for what is not there."""
    from protoplane.contract.edition import read_folders, read_set

    path = Path(old)
    if path.is_file():
        return read_set(path.read_bytes(), old, new)
    if path.is_dir():
        return read_folders(read_settings(path).proto_roots if (path / config.FILE).is_file() else [path])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="protoplane-")))
        return read_folders(_from_git(old, project, roots, folder))


def _from_git(ref: str, project: Path, roots: Sequence[Path], folder: Path) -> list[Path]:
    """Proto folders as they were at a commit, unpacked below `folder`."""
    top = Path(_git(project, "rev-parse", "--show-toplevel").decode().strip()).resolve()
    commit = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}").decode().strip()
    outside = [root for root in roots if not root.resolve().is_relative_to(top)]
    if outside:
        raise failure(f"{outside[0]} is not in the repository {top}")
    paths = [root.resolve().relative_to(top).as_posix() for root in roots]
    there = [path for path in paths if _git(top, "ls-tree", "--name-only", commit, "--", path)]
    if not there:
        raise failure(f"{ref} has none of {', '.join(paths)}")
    with tarfile.open(fileobj=io.BytesIO(_git(top, "archive", "--format=tar", commit, "--", *there))) as archive:
        for member in archive:
            data = archive.extractfile(member) if member.isfile() and member.name.endswith(".proto") else None
            if data is not None:
                target = folder / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data.read())
    return [folder / path for path in there]


def _git(folder: Path, *arguments: str) -> bytes:
    """What git prints; its complaint as click's error."""
    try:
        done = subprocess.run(  # noqa: S603 - git, arguments as a list, no option made of what is given.
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the git of whoever runs the command.
            capture_output=True,
            timeout=GIT_SECONDS_MAX,
            check=False,
        )
    except FileNotFoundError as missing:
        raise failure("git is not installed, and OLD is neither a folder nor a file") from missing
    except subprocess.TimeoutExpired as late:
        raise failure(f"git took more than {GIT_SECONDS_MAX:.0f} s") from late
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip() or "it is no commit, folder or file"
        raise failure(f"git {arguments[0]}: {why}")
    return done.stdout

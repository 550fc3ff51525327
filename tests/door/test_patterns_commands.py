"""What the commands make of resources with several patterns: verify, import and export, plan, lint, and a pattern that is added later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from protoplane.cli.main import main
from tests.door.client import Door, Refused
from tests.door.notebook import HERE, NOTEBOOK, WISHES, pb
from tests.door.service import Service, running, scaffolded, served
from tests.engines import Engine
from tests.engines.sqlite import Sqlite

SECOND = '    pattern: "users/{user}/notes/{note}"\n'


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Service]:
    """A notebook of its own: verify would find what others made."""
    engine = Sqlite(folder=tmp_path)
    with served(NOTEBOOK, engine, tmp_path / "notebook") as notebook:
        yield notebook


def run(*words: object, **options: Any) -> Result:
    """One command."""
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False, **options)


def reached(notebook: Service) -> tuple[object, ...]:
    """The options of commands that call the server."""
    return "--target", notebook.target, "--project", notebook.folder, "--token", notebook.token()


def test_verify_finds_no_fault_with_several_patterns(notebook: Service, tmp_path: Path) -> None:
    ran = run("verify", notebook.target, "--seed", "notes", "--token", notebook.token(), "--json", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text())
    wrong = [(one["number"], one["resource"], one["text"]) for one in found["results"] if one["verdict"] in {"fail", "should"}]
    assert not wrong, ran.output
    assert (ran.exit_code, found["left"], notebook.bugs) == (0, [], [])
    passed = {one["resource"] for one in found["results"] if one["verdict"] == "pass"}
    assert passed >= {"Note", "Remark", "Layout", "Memo"}


def test_what_is_exported_is_imported_below_parents_of_every_kind(notebook: Service, tmp_path: Path) -> None:
    door = notebook.door()
    parents = ["folders/f", "users/1", "users/2"]
    door.CreateFolder(folder_id="f", folder=pb.Folder())
    for own in "12":
        door.CreateUser(user_id=own, user=pb.User())
    for parent in parents:
        for own in "ab":
            door.CreateNote(parent=parent, note_id=own, note=pb.Note(title=f"{parent} {own}"))
    every = [f"{parent}/notes/{own}" for parent in parents for own in "ab"]
    for form in ("csv", "ndjson"):
        file = tmp_path / f"notes.{form}"
        assert run("export", "Note", "-o", file, *reached(notebook)).exit_code == 0
        whole = file.read_text()
        assert [name for name in every if name not in whole] == []
        only = run("export", "Note", "--format", form, "--parent", "users/2", *reached(notebook)).stdout
        assert [name in only for name in every] == [False] * 4 + [True] * 2
        door.BatchDeleteNotes(names=every[1:])
        skipping = run("import", "Note", file, "--skip-existing", *reached(notebook))
        assert skipping.exit_code == 0, skipping.output
        assert "5 rows of Note created" in skipping.output
        assert [one.title for one in door.BatchGetNotes(names=every).notes] == [f"{name[:-8]} {name[-1]}" for name in every]
    below = tmp_path / "more.csv"
    below.write_text("id,title\nc,x\n")
    for parent in parents[:2]:
        assert run("import", "Note", below, "--parent", parent, *reached(notebook)).exit_code == 0
        assert door.GetNote(name=f"{parent}/notes/c").title == "x"
    below.write_text("name,title\nmemos/x,x\n")
    wrong = run("import", "Note", below, *reached(notebook))
    assert "folders/{folder}/notes/{note} or users/{user}/notes/{note}" in wrong.output
    door.close()


def test_plan_shows_the_table_of_each_pattern(notebook: Service) -> None:
    (get,) = json.loads(run("plan", "--json", "--method", "/GetNote", "--project", notebook.folder).stdout)
    assert (get["table"], get["key"]) == ("notes", ["folder", "note"])
    assert [(one["table"], one["key"]) for one in get["more_tables"]] == [("notes_of_users", ["user", "note"])]
    assert len(get["sql"]) == 2
    text = run("plan", "--method", "ListMemos", "--project", notebook.folder).stdout
    assert "table memos, key (memo)" in text
    assert "table memos_of_users, key (user, memo)" in text
    assert "nothing to mend: 7 resources" in run("lint", "--project", notebook.folder).output


def test_a_pattern_added_later_finds_everything_where_it_was(engine: Engine, tmp_path: Path) -> None:
    database = engine.create_database()
    folder = NOTEBOOK.project(tmp_path / "notebook", database.url)
    both = (HERE / "notebook.proto").read_text().partition("// What names a note")[0]
    alone = both.replace(SECOND, "").replace(', "users/{user}/notes/{note}/remarks/{remark}"', "")
    try:
        with edition(folder, alone) as door:
            parent = door.CreateFolder(folder_id="f", folder=pb.Folder()).name
            kept = door.CreateNote(parent=parent, note_id="kept", note=pb.Note(title="kept"))
            with pytest.raises(Refused):
                door.ListNotes(parent="users/1")
        with edition(folder, both) as door:
            assert door.GetNote(name=kept.name) == kept
            user = door.CreateUser(user_id="1", user=pb.User()).name
            assert door.CreateNote(parent=user, note_id="kept", note=pb.Note(title="x")).name == f"{user}/notes/kept"
    finally:
        database.drop()


@contextmanager
def edition(folder: Path, text: str) -> Iterator[Door]:
    """Calls of the project with this contract, for as long as the block runs."""
    (folder / "protos/notebook/v1/notebook.proto").write_text(scaffolded(text, WISHES[:-1]))
    with running(folder) as (server, bugs), closing(NOTEBOOK.door(folder, f"127.0.0.1:{server.port}")) as door:
        yield door
        assert not bugs

"""`new`, `lint`, `plan`, `migrate` and `doctor` on a project as its author has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.kit import make_project, run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    assert run("new", "flight-desk", "--into", tmp_path / "flight-desk").exit_code == 0
    return tmp_path / "flight-desk"


def proto_of(project: Path) -> Path:
    return project / "protos/flight_desk/v1/flight_desk.proto"


def test_a_new_project_has_no_findings_and_needs_no_python(project: Path) -> None:
    assert sorted(path.name for path in project.iterdir()) == [".gitignore", "README.md", "protoplane.toml", "protos"]
    done = run("lint", "--project", project)
    assert done.exit_code == 0, done.output
    assert "1 resources, 6 methods" in done.output


def test_new_never_overwrites_and_then_writes_nothing(project: Path) -> None:
    before = proto_of(project).read_bytes()
    (project / "README.md").unlink()
    done = run("new", "flight-desk", "--into", project)
    assert done.exit_code == 1
    assert "nothing was written" in done.output
    assert proto_of(project).read_bytes() == before
    assert not (project / "README.md").exists()


@pytest.mark.parametrize("name", ["Library", "1st", "a/b", "-x", "a--b", ""])
def test_a_name_that_is_no_package_is_refused(name: str, tmp_path: Path) -> None:
    assert run("new", "--into", tmp_path / "x", "--", name).exit_code == 2


def test_every_kind_of_name_starts_a_project_that_lints(tmp_path: Path) -> None:
    for name, resource in (("note", "Note"), ("a1-b2_c3", "APIKey"), ("calendar", "Person")):
        assert run("new", name, "--resource", resource, "--into", tmp_path / name).exit_code == 0
        done = run("lint", "--project", tmp_path / name)
        assert done.exit_code == 0, done.output


def test_lint_prints_all_findings_and_fails(project: Path) -> None:
    text = proto_of(project).read_text()
    text = text.replace('    option (protoplane.v1.rule).permission = "notes.get";\n', "").replace("string page_token", "int32 page_token")
    proto_of(project).write_text(text)
    done = run("lint", "--project", project)
    assert done.exit_code == 1
    assert "[rule-missing]" in done.stdout
    assert "[method-shape]" in done.stdout
    listed = json.loads(run("lint", "--json", "--project", project).stdout)
    assert {finding["rule"] for finding in listed} == {"rule-missing", "method-shape"}
    assert all(finding["file"] == "flight_desk/v1/flight_desk.proto" and finding["line"] and finding["mend"] for finding in listed)


def test_lint_reports_python_that_does_not_import_at_its_line(project: Path) -> None:
    (project / "servicers.py").write_text("import os\n\nraise RuntimeError('not today')\n")
    done = run("lint", "--project", project)
    assert done.exit_code == 1
    assert "servicers.py:3: importing it raises RuntimeError: not today [python-broken]" in done.stdout


def test_plan_shows_the_rule_and_sql_of_every_method(tmp_path: Path) -> None:
    make_project(tmp_path)
    plans = json.loads(run("plan", "--json", "--project", tmp_path).stdout)
    assert len(plans) == 12
    get = next(plan for plan in plans if plan["method"] == "/library.v1.LibraryService/GetBook" or plan["method"].endswith("/GetBook"))
    assert get["rule"] == "books.get"
    assert get["key"] == ["publisher", "book"]
    assert get["sql"][0].startswith("SELECT")
    text = run("plan", "--method", "listbooks", "--project", tmp_path).stdout
    assert "ORDER BY" in text
    assert not (tmp_path / ".protoplane").exists()


def test_migrate_prints_applies_and_then_has_nothing_to_do(project: Path) -> None:
    first = run("migrate", "--project", project)
    assert first.exit_code == 1
    assert 'CREATE TABLE IF NOT EXISTS "notes"' in first.stdout
    assert not (project / ".protoplane").exists()
    assert run("migrate", "--apply", "--project", project).exit_code == 0
    assert run("migrate", "--project", project).stdout == ""
    text = proto_of(project).read_text().replace("string etag = 5;", "string etag = 5;\n  int32 stars = 6;")
    proto_of(project).write_text(text)
    plan = json.loads(run("migrate", "--json", "--project", project).stdout)
    assert [(step["table"], step["name"]) for step in plan["steps"]] == [("notes", "stars")]
    assert run("migrate", "--apply", "--project", project).exit_code == 0
    proto_of(project).write_text(text.replace("int32 stars = 6", "string stars = 6"))
    changed = run("migrate", "--apply", "--project", project)
    assert changed.exit_code == 1
    assert "stars" in changed.stdout


def test_the_doctor_says_what_to_do(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = run("doctor", "--json", "--project", project)
    checks = json.loads(fit.stdout)
    assert fit.exit_code == 0, fit.output
    assert {"python", "packages", "settings", "contract", "driver", "database", "keys", "port"} <= {check["name"] for check in checks}
    monkeypatch.setenv("PROTOPLANE_DATABASE_URL", "mysql://nobody@127.0.0.1:1/none")
    proto_of(project).write_text("nonsense")
    sick = run("doctor", "--json", "--project", project)
    assert sick.exit_code == 1
    failed = {check["name"]: check for check in json.loads(sick.stdout) if check["state"] == "fail"}
    assert set(failed) == {"contract", "database"}
    assert all(check["todo"] for check in failed.values())


def test_the_doctor_finds_what_production_lacks(project: Path) -> None:
    done = run("doctor", "--production", "--project", project)
    assert done.exit_code == 1
    assert "do:" in done.stdout

"""`new`, `lint`, `plan`, `migrate` and `doctor` on a project as its author has it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import socket
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from protoplane.cli.doctor import TOOLS
from protoplane.database import THREADS_BESIDE
from protoplane.store import engine
from protoplane.store.engine import Engine
from tests import tools
from tests.cli.kit import make_project, run
from tests.edge.authority import Authority


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
    assert "1 resources, 9 methods" in done.output


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


@pytest.mark.parametrize("resource", ["Note", "AeroplaneMaintenanceReport"])
def test_the_readme_of_a_new_project_explains_its_commands_in_one_column(tmp_path: Path, resource: str) -> None:
    assert run("new", "note", "--resource", resource, "--into", tmp_path / "note").exit_code == 0
    lines = [line for line in (tmp_path / "note/README.md").read_text().splitlines() if line.startswith("    protoplane ")]
    assert len(lines) == 5
    (column,) = {re.search(r"  (?=\S)(?!.*  )", line[4:]).end() for line in lines}  # type: ignore[union-attr]
    assert column > len(f"protoplane import {resource} FILE")


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
    assert {finding["level"] for finding in listed} == {"finding"}
    assert all(finding["file"] == "flight_desk/v1/flight_desk.proto" and finding["line"] and finding["mend"] for finding in listed)


def test_lint_notes_what_is_left_out_and_is_content(project: Path) -> None:
    text = proto_of(project).read_text()
    left = re.sub(r"  bool validate_only = 4.*\n", "", text, count=1)
    assert left != text
    before = run("lint", "--project", project)
    proto_of(project).write_text(left)
    done = run("lint", "--project", project)
    assert (before.exit_code, done.exit_code) == (0, 0)
    (more,) = set(re.sub(r":\d+:", ":", done.stdout).splitlines()) - set(re.sub(r":\d+:", ":", before.stdout).splitlines())
    assert re.fullmatch(r"flight_desk/v1/flight_desk.proto: note: \w+ has no `validate_only`: it cannot be rehearsed \[AIP-163\]", more)
    listed = json.loads(run("lint", "--json", "--project", project).stdout)
    assert [(one["level"], one["rule"]) for one in listed if "validate_only" in one["problem"]] == [("note", "aip-163")]
    assert all(one["file"] and one["line"] for one in listed)


def test_lint_reports_python_that_does_not_import_at_its_line(project: Path) -> None:
    (project / "servicers.py").write_text("import os\n\nraise RuntimeError('not today')\n")
    done = run("lint", "--project", project)
    assert done.exit_code == 1
    assert "servicers.py:3: importing it raises RuntimeError: not today [python-broken]" in done.stdout


COUNT = """
  // Counts them.
  rpc CountNotes(CountNotesRequest) returns (CountNotesResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (protoplane.v1.rule).authenticated = true;
  }
"""

INDEX = """\
  option (protoplane.v1.storage).index = {
    fields: "display_name"
    unique: true
  };
"""

COUNTED = """
// See CountNotes.
message CountNotesRequest {}

// See CountNotes.
message CountNotesResponse {
  int64 count = 1;
}
"""

SERVICERS = """\
from flight_desk.v1.flight_desk import CountNotesResponse
from protoplane.method.custom import Servicer


class FlightDesk(Servicer, service="flight_desk.v1.FlightDesk"):
    def create_note(self, call, request, serve):
        return serve(call, request)

    def delete_note(self, call, request):
        raise ValueError("kept")

    def count_notes(self, call, request):
        return CountNotesResponse(count=0)
"""


def test_plan_shows_exactly_what_is_served(project: Path) -> None:
    """Read a difference as a reviewer would: is this what the server should do now? Then write it to plan.txt."""
    text = proto_of(project).read_text()
    text = text.replace("service FlightDesk {\n", f"service FlightDesk {{\n{COUNT[1:]}\n") + COUNTED
    text = text.replace("  // The resource name of", f"{INDEX}\n  // The resource name of", 1)
    proto_of(project).write_text(text)
    (project / "servicers.py").write_text(SERVICERS)
    done = run("plan", "--project", project)
    assert done.exit_code == 0, done.output
    golden = Path(__file__).parent / "plan.txt"
    if os.environ.get("PROTOPLANE_TEST_WRITE"):
        golden.write_text(done.stdout, "utf-8")
    assert done.stdout == golden.read_text("utf-8")


def test_plan_shows_the_rule_and_sql_of_every_method(tmp_path: Path) -> None:
    make_project(tmp_path)
    plans = json.loads(run("plan", "--json", "--project", tmp_path).stdout)
    assert len(plans) == 18
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


def looked_at(project: Path, *options: str) -> dict[str, list[tuple[str, str, str]]]:
    """What the doctor finds: state, text and advice by the name of the check."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for check in json.loads(run("doctor", "--json", *options, "--project", project).stdout):
        found.setdefault(check["name"], []).append((check["state"], check["text"], check["todo"]))
    return found


def test_the_doctor_looks_at_the_certificate(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((state, text, _),) = looked_at(project)["tls"]
    assert (state, text) == ("ok", "traffic is not encrypted: no server.tls_certificate")
    monkeypatch.setenv("PROTOPLANE_SERVER_TLS_CERTIFICATE", "server.pem")
    monkeypatch.setenv("PROTOPLANE_SERVER_TLS_KEY", "server.key")
    assert [state for state, _, _ in looked_at(project)["tls"]] == ["fail", "fail"]
    Authority().issue("library.example", ends=timedelta(days=3)).write(project)
    (warned, told) = looked_at(project)["tls"]
    assert warned[0] == "warn"
    assert "ends in 2 days" in warned[1]
    assert told[0] == "ok"
    assert told[1].startswith("a certificate for library.example until ")


def test_the_doctor_looks_at_processes_addresses_and_what_is_not_encrypted(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "page.keys").write_text(base64.b64encode(bytes(32)).decode())
    for name, value in (PRODUCTION | {"PROTOPLANE_DATABASE_URL": "sqlite:///library.db"}).items():
        monkeypatch.setenv(name, value)
    cores = len(os.sched_getaffinity(0))
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("PROTOPLANE_METRICS_ADDRESS", f"127.0.0.1:{other.getsockname()[1]}")
        monkeypatch.setenv("PROTOPLANE_SERVER_PROCESSES", str(cores + 1))
        found = looked_at(project, "--production")
    assert found["grpcio"][0][0] == "ok"
    assert found["processes"][0][:2] == ("warn", f"{cores + 1}, with 16 calls at once each; this machine has {cores} cores for them")
    assert found["metrics"][0][0] == "warn"
    assert "set metrics.address" in found["metrics"][0][2]
    monkeypatch.setenv("PROTOPLANE_METRICS_ADDRESS", "")
    monkeypatch.setenv("PROTOPLANE_SERVER_ADDRESS", "unix:/tmp/none.sock")
    found = looked_at(project, "--production")
    assert [found[name][0][0] for name in ("metrics", "processes")] == ["warn", "fail"]
    monkeypatch.setenv("PROTOPLANE_METRICS_ADDRESS", "0.0.0.0:0")
    monkeypatch.setenv("PROTOPLANE_SERVER_PROCESSES", "1")
    monkeypatch.setenv("PROTOPLANE_SERVER_ADDRESS", "0.0.0.0:0")
    ((state, text, _),) = looked_at(project, "--production")["settings"]
    assert (state, "unencrypted" in text) == ("fail", True)
    monkeypatch.setenv("PROTOPLANE_SERVER_PLAINTEXT_REASON", "behind a mesh")
    found = looked_at(project, "--production")
    assert found["tls"] == [("ok", "traffic is not encrypted: behind a mesh", "")]
    assert [found[name][0][0] for name in ("metrics", "processes")] == ["ok", "ok"]
    assert "without credentials" in found["metrics"][0][1]


def test_the_doctor_compares_the_tables_with_the_contract_and_changes_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "tables" not in looked_at(project)
    assert run("migrate", "--apply", "--project", project).exit_code == 0
    file = project / ".protoplane/dev.db"
    ((state, text, _),) = looked_at(project)["database"]
    assert (state, text) == ("ok", f"SQLite {sqlite3.sqlite_version}, {file}")
    assert looked_at(project)["tables"] == [("ok", "3 tables, as the contract wants them", "")]

    text = proto_of(project).read_text()
    proto_of(project).write_text(text.replace("string etag = 5;", "string etag = 5;\n  int32 stars = 6;"))
    ((state, added, _),) = looked_at(project)["tables"]
    assert (state, added) == ("ok", "the next start of `dev` adds column notes.stars")
    monkeypatch.setenv("PROTOPLANE_DATABASE_URL", f"sqlite:///{file}")
    (project / "page.keys").write_text(base64.b64encode(bytes(32)).decode())
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    assert looked_at(project, "--production")["tables"] == [
        ("fail", "missing: column notes.stars", "protoplane migrate --production --apply")
    ]
    with contextlib.closing(sqlite3.connect(file)) as database:
        assert "stars" not in {row[1] for row in database.execute("PRAGMA table_info(notes)")}
        database.execute("ALTER TABLE notes ADD COLUMN stars TEXT")
        database.execute('ALTER TABLE notes ADD COLUMN "forgotten" INTEGER /* int64 */ NULL')
    told = looked_at(project)["tables"]
    assert sorted((state for state, _, _ in told), reverse=True) == ["warn", "fail"]
    assert any("'stars'" in text and "--reset" in todo for state, text, todo in told if state == "fail")
    assert any("'forgotten'" in text for state, text, _ in told if state == "warn")

    monkeypatch.setenv("PROTOPLANE_DATABASE_URL", f"sqlite:///{project}/other.db")
    ((state, _, todo),) = looked_at(project, "--production")["database"]
    assert (state, todo) == ("fail", "protoplane migrate --production --apply")
    assert not (project / "other.db").exists()


PRODUCTION = {
    "PROTOPLANE_AUTH_ISSUER": "https://issuer.example",
    "PROTOPLANE_AUTH_AUDIENCE": "library",
    "PROTOPLANE_AUTH_KEYS": json.dumps({"keys": []}),
    "PROTOPLANE_PAGE_TOKENS_KEYS": "page.keys",
}


def test_the_doctor_connects_as_a_server_does(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many connections: a server without room for them is found before it is started."""
    seen: list[int] = []

    class Counted(Engine):
        def __init__(self, url: str, *, threads: int, password: str = "") -> None:
            seen.append(threads)
            super().__init__(url, threads=threads, password=password)

    assert run("migrate", "--apply", "--project", project).exit_code == 0
    monkeypatch.setattr(engine, "Engine", Counted)
    monkeypatch.setenv("PROTOPLANE_SERVER_THREADS", "7")
    looked_at(project)
    assert seen == [7 + THREADS_BESIDE]


def test_every_hint_names_the_same_grpcurl() -> None:
    assert tools.GRPCURL in TOOLS["grpcurl"][1]
    assert f"`go install {tools.GRPCURL}`" in (Path(__file__).parents[2] / "README.md").read_text("utf-8")

"""Settings: where they come from, what is refused, and that every problem is told at once."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from protoplane.base import config
from protoplane.base.config import SettingsError, load, page_token_keys
from protoplane.base.secret import Secret
from protoplane.base.settings import Environment, Settings, reference

KEY = base64.b64encode(b"k" * 32).decode()


def project(folder: Path, text: str = "", **variables: str) -> Settings:
    (folder / config.FILE).write_text(text)
    return load(folder, Environment.DEV, variables)


def problems(folder: Path, text: str = "", environment: Environment = Environment.DEV, **variables: str) -> list[str]:
    (folder / config.FILE).write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(folder, environment, variables)
    return [f"{problem.where} | {problem.what} | {problem.mend}" for problem in caught.value.problems]


@pytest.fixture
def production(tmp_path: Path) -> dict[str, str]:
    """The variables that `serve` demands."""
    (tmp_path / "keys.json").write_text('{"keys": []}')
    (tmp_path / "page.keys").write_text(f"{KEY}\n")
    return {
        "PROTOPLANE_DATABASE_URL": "mysql://app@db/library",
        "PROTOPLANE_AUTH_ISSUER": "https://issuer.example",
        "PROTOPLANE_AUTH_AUDIENCE": "library",
        "PROTOPLANE_AUTH_KEYS": "keys.json",
        "PROTOPLANE_PAGE_TOKENS_KEYS": "page.keys",
    }


def test_an_empty_folder_is_a_project_in_development(tmp_path: Path) -> None:
    settings = load(tmp_path, Environment.DEV, {})
    assert settings.project.name == tmp_path.name
    assert settings.database.url.reveal() == f"sqlite:///{tmp_path}/.protoplane/dev.db"
    assert (settings.auth.issuer, settings.auth.audience) == ("protoplane-dev", tmp_path.name)
    assert settings.server.reflection == "on"
    assert not any(tmp_path.iterdir())  # Reading settings makes nothing.


def test_the_environment_overrides_the_file_and_the_file_the_defaults(tmp_path: Path) -> None:
    text = '[server]\nthreads = 4\naddress = "127.0.0.1:1"\n[project]\nprotos = ["a", "b"]\n'
    settings = project(tmp_path, text, PROTOPLANE_SERVER_THREADS="8", PROTOPLANE_PROJECT_SERVICERS="x.py, y.py")
    assert (settings.server.threads, settings.server.address) == (8, "127.0.0.1:1")
    assert settings.proto_roots == (tmp_path / "a", tmp_path / "b")
    assert settings.servicer_files == (tmp_path / "x.py", tmp_path / "y.py")


def test_servicers_are_found_by_their_usual_name(tmp_path: Path) -> None:
    (tmp_path / "servicers.py").touch()
    assert load(tmp_path, Environment.DEV, {}).project.servicers == ("servicers.py",)


@pytest.mark.parametrize(
    ("text", "variables", "told"),
    [
        ("[server]\nthraeds = 3", {}, "protoplane.toml [server] | there is no setting 'thraeds' | did you mean 'threads'?"),
        ("[sever]\nthreads = 3", {}, "protoplane.toml | there is no section 'sever' | did you mean 'server'?"),
        ("threads = 3", {}, "there is no section 'threads'"),
        ("server = 3", {}, "'server' must be a table"),
        ("[server", {}, "cannot be read"),
        ("", {"PROTOPLANE_DATABSE_URL": "x"}, "there is no setting PROTOPLANE_DATABSE_URL | did you mean 'PROTOPLANE_DATABASE_URL'?"),
        ("", {"PROTOPLANE_SERVER_THREADS": "many"}, "PROTOPLANE_SERVER_THREADS | has the wrong type | give a number from 1 to 512"),
        ("", {"PROTOPLANE_SERVER_THREADS": "2.5"}, "has the wrong type"),
        ("[server]\nthreads = 0", {}, "protoplane.toml [server] threads | 0 is out of bounds"),
        ("[server]\nthreads = true", {}, "has the wrong type"),
        ("[server]\ngrace_seconds = nan", {}, "out of bounds"),
        ("[server]\ngrace_seconds = true", {}, "out of bounds"),
        ("[server]\nreflection = 'public'", {}, "'public' is none of the choices | give one of on, authenticated, off"),
        ("[auth]\nleeway_seconds = 61", {}, "61 is out of bounds"),
        ("[project]\nprotos = 'protos'", {}, "has the wrong type | give a list of texts"),
        ("[project]\nprotos = ['']", {}, "has the wrong type"),
        ("[grants]\nalice = 'x'", {}, "[grants] 'alice' | is not a list of permissions"),
        ("[grants]\nalice = [1]", {}, "is not a list of permissions"),
        ("[auth]\nkeys = 'nothing.json'", {}, "auth.keys | the file cannot be read"),
        ("[deadlines]\ndefault_seconds = 20\nmax_seconds = 10", {}, "is above deadlines.max_seconds"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told_with_its_place_and_mend(
    tmp_path: Path, text: str, variables: dict[str, str], told: str
) -> None:
    (found,) = problems(tmp_path, text, Environment.DEV, **variables)
    assert told in found


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, "[server]\nthreads = 0\nx = 1\n[y]\n[grants]\na = 1\n", PROTOPLANE_Z="1")
    assert len(found) == 5


@pytest.mark.parametrize(
    "name", ["PROTOPLANE_SERVICE_HOST", "PROTOPLANE_PORT_50051_TCP_ADDR", "PROTOPLANE_TOKEN", "PROTOPLANE_TARGET", "_PROTOPLANE_COMPLETE"]
)
def test_variables_that_are_not_settings_are_left_alone(tmp_path: Path, name: str) -> None:
    project(tmp_path, "", **{name: "x"})


def test_serve_makes_nothing_up(tmp_path: Path) -> None:
    found = problems(tmp_path, environment=Environment.SERVE)
    assert [line.split(" | ")[0] for line in found] == ["database.url", "auth.issuer", "auth.audience", "auth.keys", "page_tokens.keys"]


def test_serve_starts_with_everything_given(tmp_path: Path, production: dict[str, str]) -> None:
    settings = load(tmp_path, Environment.SERVE, production)
    assert (settings.server.reflection, settings.log.calls, settings.server.drain_seconds) == ("authenticated", "failed", 3.0)
    assert settings.jwks == '{"keys": []}'


def test_an_empty_audience_is_none(tmp_path: Path, production: dict[str, str]) -> None:
    (found,) = problems(tmp_path, environment=Environment.SERVE, **production | {"PROTOPLANE_AUTH_AUDIENCE": ""})
    assert found.startswith("PROTOPLANE_AUTH_AUDIENCE | has no value")


def test_serve_takes_no_keys_that_development_made(tmp_path: Path, production: dict[str, str]) -> None:
    page_token_keys(load(tmp_path, Environment.DEV, {}))
    changed = production | {"PROTOPLANE_PAGE_TOKENS_KEYS": ".protoplane/page-token-keys"}
    (found,) = problems(tmp_path, environment=Environment.SERVE, **changed)
    assert "development key" in found


@pytest.mark.parametrize(
    ("address", "reason", "starts"),
    [
        ("127.0.0.1:1", "", "yes"),
        ("127.8.8.8:1", "", "yes"),
        ("localhost:1", "", "yes"),
        ("[::1]:1", "", "yes"),
        ("unix:/run/library.sock", "", "yes"),
        ("0.0.0.0:1", "", "no"),
        ("[::]:1", "", "no"),
        ("10.0.0.1:1", "", "no"),
        ("localhost.example:1", "", "no"),
        (":1", "", "no"),
        ("0.0.0.0:1", "behind a mesh", "yes"),
    ],
)
def test_serve_listens_in_plaintext_on_loopback_only_unless_told_why(
    tmp_path: Path, production: dict[str, str], address: str, reason: str, starts: str
) -> None:
    variables = production | {"PROTOPLANE_SERVER_ADDRESS": address, "PROTOPLANE_SERVER_PLAINTEXT_REASON": reason}
    if starts == "yes":
        assert load(tmp_path, Environment.SERVE, variables).server.address == address
    else:
        (found,) = problems(tmp_path, environment=Environment.SERVE, **variables)
        assert "plaintext_reason" in found


def test_serve_shows_the_contract_to_nobody_unknown(tmp_path: Path, production: dict[str, str]) -> None:
    (found,) = problems(tmp_path, environment=Environment.SERVE, **production | {"PROTOPLANE_SERVER_REFLECTION": "on"})
    assert "shows the contract to anyone" in found


def test_development_keeps_a_page_token_key_of_its_own(tmp_path: Path) -> None:
    settings = load(tmp_path, Environment.DEV, {})
    assert page_token_keys(settings) == page_token_keys(settings)
    assert (tmp_path / ".protoplane" / "page-token-keys").stat().st_mode & 0o777 == 0o600


def test_page_token_keys_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    second = base64.urlsafe_b64encode(b"\xff" * 32).decode()
    (tmp_path / "keys").write_text(f"# rotated in May\n{KEY}\n\n  {second}  \n")
    settings = project(tmp_path, '[page_tokens]\nkeys = "keys"')
    assert [key.reveal() for key in page_token_keys(settings)] == [b"k" * 32, b"\xff" * 32]


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"AAAA\n", b"!\n", b"\xff\n", base64.b64encode(b"k" * 31)])
def test_a_key_file_with_anything_else_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keys").write_bytes(content)
    settings = project(tmp_path, '[page_tokens]\nkeys = "keys"')
    with pytest.raises(SettingsError) as caught:
        page_token_keys(settings)
    assert "openssl rand" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("sqlite:///data/x.db", "sqlite:///{folder}/data/x.db"),
        ("sqlite:////abs/x.db", "sqlite:////abs/x.db"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("mysql:///library?unix_socket=/run/x", "mysql:///library?unix_socket=/run/x"),
    ],
)
def test_a_relative_database_file_is_relative_to_the_project(tmp_path: Path, url: str, opened: str) -> None:
    settings = project(tmp_path, "", PROTOPLANE_DATABASE_URL=url)
    assert settings.database.url.reveal() == opened.format(folder=tmp_path)


def test_no_secret_is_in_any_text(tmp_path: Path) -> None:
    settings = project(tmp_path, "", PROTOPLANE_DATABASE_URL="mysql://app:hunter2@db/x", PROTOPLANE_DATABASE_PASSWORD="hunter2")
    assert settings.database.password == Secret("hunter2")
    assert "hunter2" not in f"{settings!r} {settings}"
    assert "hunter2" not in str(problems(tmp_path, "[x]", PROTOPLANE_DATABASE_URL="mysql://app:hunter2@db/x"))


def test_the_reference_has_every_setting_with_its_text() -> None:
    entries = list(reference())
    assert len(entries) == len({entry.variable for entry in entries})
    assert all(entry.text.endswith(".") and entry.type in {"str", "int", "float", "tuple[str, ...]"} for entry in entries)
    threads = next(entry for entry in entries if entry.variable == "PROTOPLANE_SERVER_THREADS")
    assert (threads.section, threads.key, threads.type, threads.default) == ("server", "threads", "int", "16")

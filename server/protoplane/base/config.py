"""`protoplane.toml` and the environment, read once into one frozen `Settings`.

An environment variable named `PROTOPLANE_<SECTION>_<KEY>` overrides the file. Unknown names are errors: a setting that is
silently ignored is worse than none. All problems are reported at once.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import ipaddress
import os
import secrets
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from protoplane.base.secret import Secret, keep_private
from protoplane.base.settings import (
    PREFIX,
    PRIVATE_FOLDER,
    SECTIONS,
    AuthSettings,
    ChangeSettings,
    DatabaseSettings,
    DeadlineSettings,
    Environment,
    LogSettings,
    MetricsSettings,
    PageTokenSettings,
    ProjectSettings,
    ServerSettings,
    Settings,
    Value,
    variable_of,
)

FILE = "protoplane.toml"
FOREIGN_PREFIXES = ("PROTOPLANE_SERVICE_", "PROTOPLANE_PORT", "PROTOPLANE_ENGINES", "PROTOPLANE_TEST_")
"""Not ours to judge: Kubernetes sets the first two for a Service named protoplane; the tests have the others."""

COMMAND_VARIABLES = frozenset({"PROTOPLANE_TARGET", "PROTOPLANE_TOKEN"})
"""Options of commands that call a server, not settings of one."""

FILE_URL = "sqlite:///"
"""Start of a database URL that names a file, which may be relative to the project."""

PAGE_TOKEN_KEY_BYTES = 32

Section = TypeVar("Section")


@dataclass(frozen=True, slots=True)
class Problem:
    """A setting that cannot be used: where it stands, what is wrong, how to mend it."""

    where: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n    mend: {self.mend}"


class SettingsError(Exception):
    """The settings cannot be used; `problems` has all of them."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


def load(folder: Path, environment: Environment, variables: Mapping[str, str] | None = None) -> Settings:
    """The settings of the project in `folder`. Raises SettingsError with every problem; makes no file."""
    folder = folder.resolve()
    reading = _Reading(folder, environment, os.environ if variables is None else variables)
    settings = Settings(
        environment=environment,
        folder=folder,
        project=reading.section("project", ProjectSettings),
        database=reading.section("database", DatabaseSettings),
        server=reading.section("server", ServerSettings),
        auth=reading.section("auth", AuthSettings),
        page_tokens=reading.section("page_tokens", PageTokenSettings),
        deadlines=reading.section("deadlines", DeadlineSettings),
        log=reading.section("log", LogSettings),
        metrics=reading.section("metrics", MetricsSettings),
        changes=reading.section("changes", ChangeSettings),
        grants=reading.grants(),
        jwks="",
    )
    reading.refuse_unknown_names()
    settings = _completed(settings)
    settings = replace(settings, jwks=reading.jwks(settings.auth.keys))
    reading.problems.extend(_conflicts(settings))
    if reading.problems:
        raise SettingsError(reading.problems)
    return settings


def page_token_keys(settings: Settings) -> tuple[Secret[bytes], ...]:
    """Keys for page tokens, the signing one first. Development makes and keeps its own. Raises SettingsError."""
    where = variable_of("page_tokens", "keys") if not settings.page_tokens.keys else settings.page_tokens.keys
    try:
        if settings.page_tokens.keys:
            text = (settings.folder / settings.page_tokens.keys).read_text("ascii")
        else:
            text = keep_private(settings.private_folder / "page-token-keys", _new_page_token_key).decode("ascii")
        lines = [line.strip() for line in text.splitlines()]
        keys = tuple(Secret(base64.b64decode(line, altchars=b"-_", validate=True)) for line in lines if line and not line.startswith("#"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([Problem(where, f"the keys for page tokens cannot be read: {error}", KEY_FILE_HINT)]) from error
    except binascii.Error as error:
        raise SettingsError([Problem(where, "a line is not base64", KEY_FILE_HINT)]) from error
    if not keys or any(len(key.reveal()) != PAGE_TOKEN_KEY_BYTES for key in keys):
        raise SettingsError([Problem(where, f"every key must have {PAGE_TOKEN_KEY_BYTES} bytes, and there must be one", KEY_FILE_HINT)])
    return keys


KEY_FILE_HINT = "name a file with one key a line, made with: openssl rand -base64 32"


def silence_grpc() -> None:
    """Keep gRPC's own C log from stderr, where one failed handshake is one line; before the first `import grpc`."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def child_environment(**variables: str) -> dict[str, str]:
    """Our own environment for a process that we start, with these variables besides."""
    return {**os.environ, **variables}


def colour_wanted() -> bool:
    """Whether terminals may be sent colours: not where NO_COLOR is set to anything (no-color.org)."""
    return not os.environ.get("NO_COLOR")


def is_loopback(address: str) -> bool:
    """Whether `host:port` (or `unix:path`) can be reached from this machine only."""
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Reading:
    """One pass over file and environment that collects what is wrong."""

    def __init__(self, folder: Path, environment: Environment, variables: Mapping[str, str]) -> None:
        self.folder, self.environment, self.variables = folder, environment, variables
        self.problems: list[Problem] = []
        self.document = self._parse(folder / FILE)

    def _parse(self, path: Path) -> dict[str, Any]:
        try:
            return tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return {}  # A project may be told everything by its environment.
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            self.problems.append(Problem(FILE, f"cannot be read: {error}", "correct the file; TOML is described at toml.io"))
            return {}

    def section(self, name: str, shape: Callable[..., Section]) -> Section:
        """One section with every value read, or its default where there is none or a bad one."""
        table = self._table(name)
        known = {item.name: item for item in fields(SECTIONS[name])}
        for key in table.keys() - known.keys():
            self.problems.append(Problem(f"{FILE} [{name}]", f"there is no setting '{key}'", _nearest(key, known)))
        return shape(**{key: self._value(name, item, table) for key, item in known.items()})

    def _table(self, name: str) -> dict[str, Any]:
        table = self.document.get(name, {})
        if isinstance(table, dict):
            return table
        self.problems.append(Problem(FILE, f"'{name}' must be a table", f"write [{name}] on a line of its own, its settings below"))
        return {}

    def _value(self, section: str, item: Field[Any], table: dict[str, Any]) -> Value:
        variable, default = variable_of(section, item.name), item.metadata[_DEFAULT_OF[self.environment]]
        kind = str(item.type)
        empty = _EMPTY[kind]
        if variable in self.variables:
            where, raw = variable, _from_text(kind, self.variables[variable])
        elif item.name in table:
            where, raw = f"{FILE} [{section}] {item.name}", table[item.name]
        else:
            where, raw = f"{section}.{item.name}", empty if default is None else default
        try:
            value = _checked(item, raw)
        except ValueError as error:
            self.problems.append(Problem(where, str(error), f"give {_wanted(item)}"))
            return empty
        if value == empty and default is None and self.environment is Environment.SERVE:
            mend = f"set {item.name} in [{section}] of {FILE}, or {variable}"
            self.problems.append(Problem(where, "has no value, and `serve` makes up none", mend))
        return value

    def grants(self) -> dict[str, tuple[str, ...]]:
        """The table [grants]; whether the permissions exist is for `identity.grants` to say."""
        found: dict[str, tuple[str, ...]] = {}
        for subject, permissions in self._table("grants").items():
            if isinstance(permissions, list) and all(isinstance(permission, str) for permission in permissions):
                found[subject] = tuple(permissions)
            else:
                where = f"{FILE} [grants] {subject!r}"
                self.problems.append(Problem(where, "is not a list of permissions", 'write it as ["reports.create", "books.*"]'))
        return found

    def jwks(self, keys: str) -> str:
        """The JWKS that `auth.keys` gives or names; what is in it is for `identity.tokens` to judge."""
        if not keys or keys.lstrip().startswith("{"):
            return keys
        try:
            return (self.folder / keys).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(Problem("auth.keys", f"the file cannot be read: {error}", "name a JWKS file (RFC 7517)"))
            return ""

    def refuse_unknown_names(self) -> None:
        """Sections and environment variables that mean nothing here: most likely typing errors."""
        sections = [*SECTIONS, "grants"]
        for name in self.document.keys() - set(sections):
            self.problems.append(Problem(FILE, f"there is no section '{name}'", _nearest(name, sections)))
        known = [variable_of(section, item.name) for section, shape in SECTIONS.items() for item in fields(shape)]
        for name in self.variables:
            ours = name.startswith(PREFIX) and not name.startswith(FOREIGN_PREFIXES) and name not in COMMAND_VARIABLES
            if ours and name not in known:
                self.problems.append(Problem("environment", f"there is no setting {name}", _nearest(name, known)))


_DEFAULT_OF = {Environment.DEV: "default", Environment.SERVE: "serve"}
_EMPTY: Mapping[str, Value] = {"str": "", "int": 0, "float": 0.0, "tuple[str, ...]": (), "Secret[str]": Secret("")}


def _from_text(kind: str, text: str) -> object:
    """What a variable says, as TOML would have given it; text that is no number stays text, for `_checked` to refuse."""
    if kind == "tuple[str, ...]":
        return [part.strip() for part in text.split(",") if part.strip()]
    if kind in {"int", "float"}:
        try:
            return int(text) if kind == "int" else float(text)
        except ValueError:
            return text
    return text


def _checked(item: Field[Any], raw: object) -> Value:
    """The value in the setting's type and within its bounds; ValueError says what is wrong without repeating secrets."""
    kind, bounds = str(item.type), item.metadata
    match raw:
        case str() if kind == "str":
            if "choices" in bounds and raw not in bounds["choices"]:
                raise ValueError(f"'{raw}' is none of the choices")
            return raw
        case str() if kind == "Secret[str]":
            return Secret(raw)
        case Secret() if kind == "Secret[str]":
            return raw
        case int() | float() if kind == "float" or (kind == "int" and type(raw) is int):
            if isinstance(raw, bool) or not bounds["low"] <= raw <= bounds["high"]:  # NaN is not within any bounds either.
                raise ValueError(f"{raw} is out of bounds")
            return float(raw) if kind == "float" else raw
        case list() | tuple() if kind == "tuple[str, ...]" and all(isinstance(part, str) and part for part in raw):
            return tuple(raw)
        case _:
            raise ValueError("has the wrong type")


def _wanted(item: Field[Any]) -> str:
    bounds = item.metadata
    if "choices" in bounds:
        return "one of " + ", ".join(bounds["choices"])
    if "low" in bounds:
        return f"a number from {bounds['low']} to {bounds['high']}"
    return "a list of texts" if str(item.type).startswith("tuple") else "a text"


def _nearest(name: str, known: Iterator[str] | Mapping[str, object] | list[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else "remove it; known are: " + ", ".join(known)


def _completed(settings: Settings) -> Settings:
    """Defaults that depend on the project and, in development, take the place of what `serve` demands."""
    project, auth, database = settings.project, settings.auth, settings.database
    project = replace(project, name=project.name or settings.folder.name)
    if not project.servicers and (settings.folder / "servicers.py").is_file():
        project = replace(project, servicers=("servicers.py",))
    if settings.environment is Environment.DEV:
        auth = replace(auth, issuer=auth.issuer or "protoplane-dev", audience=auth.audience or project.name)
        if not database.url.reveal():
            database = replace(database, url=Secret(f"{FILE_URL}{PRIVATE_FOLDER}/dev.db"))
    database = replace(database, url=Secret(_anchored(database.url.reveal(), settings.folder)))
    return replace(settings, project=project, auth=auth, database=database)


def _anchored(url: str, folder: Path) -> str:
    """A relative SQLite file is relative to the project, wherever the command is run."""
    path = url.removeprefix(FILE_URL)
    if not url.startswith(FILE_URL) or not path or path.startswith(("/", ":memory:")):
        return url
    return FILE_URL + quote(str(folder / unquote(path)))


def _conflicts(settings: Settings) -> Iterator[Problem]:
    """What is wrong with values that are each right alone."""
    if settings.deadlines.default_seconds > settings.deadlines.max_seconds:
        yield Problem("deadlines.default_seconds", "is above deadlines.max_seconds", "lower it")
    server = settings.server
    if bool(server.tls_certificate) != bool(server.tls_key):
        missing = "tls_key" if server.tls_certificate else "tls_certificate"
        yield Problem(f"server.{missing}", "has no value, and a certificate and its key go together", f"set {missing}, or neither of them")
    if server.tls_client_ca and not server.tls_certificate:
        yield Problem("server.tls_client_ca", "is of no use without a certificate", "set tls_certificate and tls_key")
    if settings.environment is Environment.SERVE:
        yield from _unsafe(settings)


def _unsafe(settings: Settings) -> Iterator[Problem]:
    """What is right in development only."""
    server = settings.server
    if server.reflection == "on":
        yield Problem("server.reflection", "'on' shows the contract to anyone", "choose 'authenticated' or 'off'; 'on' is for development")
    if server.timings == "on":
        yield Problem("server.timings", "'on' shows them to anyone", "choose 'authenticated' or 'off'; 'on' is for development")
    if not (server.tls_certificate or server.plaintext_reason or is_loopback(server.address)):
        yield Problem(
            "server.address",
            f"{server.address} takes unencrypted traffic from other machines",
            'name a tls_certificate and its tls_key, listen on 127.0.0.1, or say why it is right: plaintext_reason = "behind a mesh"',
        )
    for where, path in (("auth.keys", settings.auth.keys), ("page_tokens.keys", settings.page_tokens.keys)):
        if PRIVATE_FOLDER in Path(path).parts:
            yield Problem(where, f"names a development key in {PRIVATE_FOLDER}", "make a key for this environment")
    if settings.page_tokens.keys:
        try:
            page_token_keys(settings)
        except SettingsError as error:
            yield from error.problems


def _new_page_token_key() -> bytes:
    return base64.b64encode(secrets.token_bytes(PAGE_TOKEN_KEY_BYTES)) + b"\n"

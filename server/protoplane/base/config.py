"""Every setting of a project: `protoplane.toml` and the environment, read once into one frozen `Settings`.

An environment variable named `PROTOPLANE_<SECTION>_<KEY>` overrides the file. Unknown names are errors: a setting that is
silently ignored is worse than none. All problems are reported at once. `reference` lists every setting with its text.
"""

from __future__ import annotations

import ast
import base64
import binascii
import difflib
import inspect
import ipaddress
import os
import secrets
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote, unquote

from protoplane.base import limits
from protoplane.base.secret import Secret, keep_private

FILE = "protoplane.toml"
PREFIX = "PROTOPLANE_"
PRIVATE_FOLDER = ".protoplane"
"""Inside the project: what development makes and keeps for itself. Never committed, never used by `serve`."""

FOREIGN_PREFIXES = ("PROTOPLANE_SERVICE_", "PROTOPLANE_PORT", "PROTOPLANE_ENGINES", "PROTOPLANE_TEST_")
"""Not ours to judge: Kubernetes sets the first two for a Service named protoplane; the tests have the others."""

COMMAND_VARIABLES = frozenset({"PROTOPLANE_TARGET", "PROTOPLANE_TOKEN"})
"""Options of commands that call a server, not settings of one."""

FILE_URL = "sqlite:///"
"""Start of a database URL that names a file, which may be relative to the project."""

PAGE_TOKEN_KEY_BYTES = 32

Value: TypeAlias = str | int | float | tuple[str, ...] | Secret[str]
Section = TypeVar("Section")


class Environment(StrEnum):
    """What the server is started for: `dev` makes what is missing, `serve` refuses to start without it."""

    DEV = "dev"
    SERVE = "serve"


def setting(default: Value | None = None, *, serve: Value | None = None, **bounds: Any) -> Any:
    """A setting with its default (`serve`: another one there), and bounds: `low`, `high` or `choices`.

    Without any default `serve` demands a value; development has one of its own, made by `load`.
    """
    return field(metadata={"default": default, "serve": default if serve is None else serve, **bounds})


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """What is served."""

    name: str = setting("")
    """Name of the project in tokens and log lines. Default: the name of its folder."""

    protos: tuple[str, ...] = setting(("protos",))
    """Folders, from the project's, that imports in `.proto` files start from."""

    servicers: tuple[str, ...] = setting(())
    """Python files or packages with servicer classes. Default: `servicers.py` if there is one."""

    seed: str = setting("")
    """Python file that `dev` runs when its server answers, to load data through the public door; `PROTOPLANE_TARGET` tells it where.
    It is run at every start, so it sees for itself what is there already. `serve` ignores it."""


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Where the rows are."""

    url: Secret[str] = setting()  # noqa: RUF009 - `setting` returns a dataclass field.
    """`sqlite:///file.db`, `mysql://user:password@host:3306/database` or `mariadb://…`. Development default: a SQLite file of its own."""

    password: Secret[str] = setting(Secret(""))  # noqa: RUF009 - `setting` returns a dataclass field.
    """The password apart from the URL, so that the URL may stand in a file and the password in the environment."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How it is served."""

    address: str = setting("127.0.0.1:50051")
    """`host:port` to listen on; port 0 takes a free one."""

    threads: int = setting(16, low=1, high=512)
    """Calls worked on at once, each with its own database connection. One process uses one core: more threads only wait."""

    reflection: str = setting("on", serve="authenticated", choices=("on", "authenticated", "off"))
    """Who may ask for the contract: anyone (`on`, in development only), callers with valid credentials, or nobody."""

    plaintext_reason: str = setting("")
    """Why unencrypted traffic from other machines is right, such as `behind a mesh`. Without one `serve` listens on loopback only."""

    drain_seconds: float = setting(0.0, serve=3.0, low=0.0, high=300.0)
    """Seconds between telling health checks that the server stops and refusing calls: time for balancers to look away."""

    grace_seconds: float = setting(20.0, low=0.0, high=600.0)
    """Seconds that running calls may take to end when the server stops; below the 30 s that Kubernetes waits."""


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Whose tokens are believed."""

    issuer: str = setting()
    """The `iss` that a token must have. Development default: `protoplane-dev`."""

    audience: str = setting()
    """The `aud` that a token must name: this service. Development default: the project's name."""

    keys: str = setting()
    """Public keys of the issuer: a JWKS file, or the JWKS itself. Development adds a key of its own."""

    leeway_seconds: int = setting(30, low=0, high=60)
    """Seconds by which the clocks of issuer and server may differ."""


@dataclass(frozen=True, slots=True)
class PageTokenSettings:
    """What keeps page tokens from being forged."""

    keys: str = setting()
    """File with one base64 key of 32 bytes a line: the first one signs, all verify, so that keys can be rotated."""


@dataclass(frozen=True, slots=True)
class DeadlineSettings:
    """How long a call may take."""

    default_seconds: float = setting(limits.DEADLINE_SECONDS_DEFAULT, low=0.1, high=limits.DEADLINE_SECONDS_MAX)
    """Seconds for a call that names no deadline."""

    max_seconds: float = setting(limits.DEADLINE_SECONDS_MAX, low=0.1, high=3_600.0)
    """Longer deadlines are lowered to this many seconds: nothing holds a thread for ever."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is written to stderr."""

    format: str = setting("auto", choices=("auto", "pretty", "json"))
    """`auto`: pretty on a terminal, else one JSON object a line."""

    calls: str = setting("all", serve="failed", choices=("all", "failed", "none"))
    """Calls with a line of their own; bugs of the server always have one. A line costs about as much as authenticating the call."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a server is told from outside."""

    environment: Environment
    folder: Path
    """The project's folder, absolute."""
    project: ProjectSettings
    database: DatabaseSettings
    server: ServerSettings
    auth: AuthSettings
    page_tokens: PageTokenSettings
    deadlines: DeadlineSettings
    log: LogSettings
    grants: Mapping[str, tuple[str, ...]]
    """Subject → permissions: exact, `reports.*`, or `*` for all. The subject `*` is anyone with valid credentials."""
    jwks: str
    """What `auth.keys` names, as JSON text; empty in development without one."""

    @property
    def proto_roots(self) -> tuple[Path, ...]:
        """`project.protos`, absolute."""
        return tuple(self.folder / root for root in self.project.protos)

    @property
    def servicer_files(self) -> tuple[Path, ...]:
        """`project.servicers`, absolute."""
        return tuple(self.folder / file for file in self.project.servicers)

    @property
    def seed_file(self) -> Path | None:
        """`project.seed`, absolute; None for none."""
        return self.folder / self.project.seed if self.project.seed else None

    @property
    def private_folder(self) -> Path:
        """Where development keeps its database and keys."""
        return self.folder / PRIVATE_FOLDER

    @property
    def development_signing_key(self) -> Path:
        """The private key that development signs its tokens with."""
        return self.private_folder / "token-key.json"


SECTIONS: Mapping[str, type] = {
    "project": ProjectSettings,
    "database": DatabaseSettings,
    "server": ServerSettings,
    "auth": AuthSettings,
    "page_tokens": PageTokenSettings,
    "deadlines": DeadlineSettings,
    "log": LogSettings,
}


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


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the reference: a setting as a reader of the documentation sees it."""

    section: str
    key: str
    variable: str
    type: str
    default: str
    serve: str
    text: str


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


def variable_of(section: str, key: str) -> str:
    """Name of the environment variable of a setting."""
    return f"{PREFIX}{section}_{key}".upper()


def reference() -> Iterator[Entry]:
    """Every setting, in order, with the text beside it: what the reference page is made from."""
    for section, shape in SECTIONS.items():
        texts = dict(_attribute_texts(shape))
        for item in fields(shape):
            yield Entry(
                section=section,
                key=item.name,
                variable=variable_of(section, item.name),
                type=str(item.type).removeprefix("Secret[").removesuffix("]") if str(item.type).startswith("Secret") else str(item.type),
                default=_shown(item.metadata["default"]),
                serve=_shown(item.metadata["serve"]),
                text=texts[item.name],
            )


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
    if settings.environment is Environment.DEV:
        return
    server = settings.server
    if server.reflection == "on":
        yield Problem("server.reflection", "'on' shows the contract to anyone", "choose 'authenticated' or 'off'; 'on' is for development")
    if not server.plaintext_reason and not is_loopback(server.address):
        yield Problem(
            "server.address",
            f"{server.address} takes unencrypted traffic from other machines",
            'listen on 127.0.0.1, or say why it is right: plaintext_reason = "behind a mesh"',
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


def _attribute_texts(shape: type) -> Iterator[tuple[str, str]]:
    """The docstring beside each attribute of a class; a setting without one is a mistake of ours."""
    body = ast.parse(inspect.getsource(shape)).body[0]
    assert isinstance(body, ast.ClassDef)
    for statement, following in zip(body.body, body.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            match following:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield statement.target.id, text
                case _:
                    raise TypeError(f"{shape.__name__}.{statement.target.id} has no text beside it")


def _shown(default: object) -> str:
    match default:
        case None | Secret():
            return ""
        case tuple():
            return ", ".join(default)
        case _:
            return str(default)

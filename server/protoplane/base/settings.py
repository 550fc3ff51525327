"""Every setting there is: its unit, default and reason beside it. `config` reads them; `reference` lists them with their texts."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

from protoplane.base import limits
from protoplane.base.secret import Secret

PREFIX = "PROTOPLANE_"
PRIVATE_FOLDER = ".protoplane"
"""Inside the project: what development makes and keeps for itself. Never committed, never used by `serve`."""

PROCESSES_MAX = 256

Value: TypeAlias = str | int | float | tuple[str, ...] | Secret[str]


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

    accepted_breaks: tuple[str, ...] = setting(())
    """Breaks of an earlier edition of the contract that are meant: each the line of `protoplane breaking` about it, without its place.
    It says which of them are none any more, once the edition that it compares with has them too."""


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

    processes: int = setting(1, low=1, high=PROCESSES_MAX)
    """Processes that share the address, one for each core to be used; `dev` has one whatever is said here."""

    threads: int = setting(16, low=1, high=512)
    """Calls worked on at once by a process, each with its own database connection. It uses one core: more threads only wait.
    One principal gets all but an eighth of them, so that its slow calls do not stop the others."""

    waiting_calls_max: int = setting(200, low=1, high=100_000)
    """Calls of a process that may wait for a thread, by turns of their principals; more are refused at once with RESOURCE_EXHAUSTED,
    so that waiting stays short. A request takes one more place for each 256 KiB."""

    streams: int = setting(16, low=1, high=512)
    """Streaming calls at once of a process, on threads of their own, each with its own database connection where methods of the
    contract stream: a stream that is held open takes nothing from other calls. One principal gets all but an eighth of them."""

    connection_age_seconds: float = setting(300.0, low=1.0, high=86_400.0)
    """Seconds until a connection is asked to end and to be made again: what balances is connections, and new processes want their share."""

    reflection: str = setting("on", serve="authenticated", choices=("on", "authenticated", "off"))
    """Who may ask for the contract: anyone (`on`, in development only), callers with valid credentials, or nobody."""

    timings: str = setting("on", serve="authenticated", choices=("on", "authenticated", "off"))
    """Who is told how long each stage of a call took, when it asks with the metadata `server-timing: on`."""

    tls_certificate: str = setting("")
    """PEM file with the server's certificate chain, its own first; read again when it changes. Without one the server does not encrypt."""

    tls_key: str = setting("")
    """PEM file with the private key of the certificate."""

    tls_client_ca: str = setting("")
    """PEM file with the authorities whose client certificates are taken (mTLS). With one, clients without such a certificate are refused."""

    plaintext_reason: str = setting("")
    """Why unencrypted traffic from other machines is right, such as `behind a mesh`. Without one, and without a certificate, `serve`
    listens on loopback only."""

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

    slow_seconds: float = setting(1.0, low=0.0, high=3_600.0)
    """Calls that take longer have a line with their stages and the plan of their slowest statement; 0 for none."""


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """What is counted, for Prometheus."""

    address: str = setting("", serve="127.0.0.1:9464")
    """`host:port` of an HTTP server with `/metrics` (all processes together), `/readyz` and `/livez`; empty for none."""


@dataclass(frozen=True, slots=True)
class ChangeSettings:
    """How long the change log is kept."""

    keep_days: int = setting(90, low=0, high=36_500)
    """Days that an entry is kept; 0 for ever."""


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
    metrics: MetricsSettings
    changes: ChangeSettings
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
    "metrics": MetricsSettings,
    "changes": ChangeSettings,
}


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

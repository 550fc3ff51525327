"""From settings to a running server: a list of steps, each of which may say why it cannot be taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import grpc

from protoplane.base import clock
from protoplane.base.config import page_token_keys
from protoplane.base.errors import Fault
from protoplane.base.observe import Event, Level, Observe
from protoplane.base.settings import Environment, Settings
from protoplane.contract.model import Access, Contract
from protoplane.database import DatabaseProblem, connect
from protoplane.edge import early
from protoplane.edge.call import Served, bind_call
from protoplane.edge.health import Health, Prober, health_handlers
from protoplane.edge.reflection import reflection_handlers
from protoplane.edge.server import AddressError, Listening, listen
from protoplane.identity import grants as granting
from protoplane.identity.tokens import KeysError, Signer, VerificationKey, Verifier, read_jwks
from protoplane.method.compile import compile_methods
from protoplane.method.replay import forget_old
from protoplane.project import read_project
from protoplane.query.paging import PageTokens
from protoplane.store import migrate
from protoplane.store.engine import Engine
from protoplane.store.schema import TableShape
from protoplane.work.housekeeping import Housekeeping

if TYPE_CHECKING:
    from protoplane.base.config import Problem

HOUSEKEEPING_SECONDS_MAX = 60.0
"""For one task of housekeeping in one round."""

DEVELOPER = "developer"
"""Subject of the token that development prints; there it may do everything."""


class NotStartedError(Exception):
    """The server does not start; `problems` has all that is known to be wrong, each with its place and mend."""

    def __init__(self, problems: Iterable[object]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is believed, and with what rights."""

    verifier: Verifier
    signer: Signer | None
    """Makes tokens in development; None in `serve`."""


class Database(Protocol):
    """What the edge needs of `store.engine`."""

    def ping(self) -> bool:
        """Whether it answers."""

    def close(self) -> None:
        """Let go of it, once no call uses it."""


@dataclass(frozen=True, slots=True)
class App:
    """A running server."""

    settings: Settings
    contract: Contract
    signer: Signer | None
    listening: Listening
    health: Health
    prober: Prober
    database: Database
    housekeeping: Housekeeping | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self.listening.port

    def stop(self) -> None:
        """End without cutting a call off: tell health checks, wait for balancers, let running calls end."""
        self.health.drain()
        clock.sleep(self.settings.server.drain_seconds)
        self.listening.stop(self.settings.server.grace_seconds)
        self.prober.stop()
        if self.housekeeping is not None:
            self.housekeeping.stop()
        self.database.close()


def start(settings: Settings, observe: Observe, *, reset: bool = False) -> App:
    """From settings to a server that takes calls. Raises NotStartedError with everything that is wrong, at the first step that fails.

    In development the database is made fit for the contract where that only adds; `reset` empties it first.
    """
    project = read_project(settings)
    contract = project.contract
    if contract is None:
        raise NotStartedError(project.findings)
    identity = identify(settings, contract)
    engine = open_database(settings, observe)
    try:
        compiled = compile_methods(contract, engine, PageTokens([key.reveal() for key in page_token_keys(settings)]), project.custom)
        make_fit(settings, engine, compiled.tables, observe, reset=reset)
        running = open_edge(settings, contract, compiled.served, identity=identity, database=engine, observe=observe)
        tasks = {"request-ids": lambda: forget_old(engine, seconds_max=HOUSEKEEPING_SECONDS_MAX)}
        return replace(running, housekeeping=Housekeeping(tasks, observe))
    except BaseException:
        engine.close()
        raise


def open_database(settings: Settings, observe: Observe) -> Engine:
    """Connect, and refuse a server whose settings would lose or bend data. Raises NotStartedError."""
    if settings.environment is Environment.DEV:
        settings.private_folder.mkdir(mode=0o700, exist_ok=True)
    try:
        engine = connect(settings)
    except DatabaseProblem as problem:
        raise NotStartedError([problem]) from problem
    try:
        findings = engine.findings(processes=settings.server.processes if settings.environment is Environment.SERVE else 1)
    except Fault as problem:
        engine.close()
        raise NotStartedError([problem]) from problem
    for finding in findings:
        observe(Event("database.unwise", level=Level.WARNING, facts={"rule": finding.rule, "problem": finding.problem}))
    if settings.environment is Environment.SERVE and any(finding.fatal for finding in findings):
        engine.close()
        raise NotStartedError(findings)
    return engine


def make_fit(settings: Settings, engine: Engine, tables: Sequence[TableShape], observe: Observe, *, reset: bool) -> None:
    """Compare the database with the contract. Development adds what is missing; `serve` only serves what is as it should be.

    Raises NotStartedError with the SQL that is missing and the differences that no step mends.
    """
    development = settings.environment is Environment.DEV
    if reset and development:
        migrate.reset(engine, tables)
    try:
        planned = migrate.plan(engine, tables)
    except Fault as problem:
        raise NotStartedError([problem]) from problem
    refused = [difference for difference in planned.refused if not difference.harmless]
    for difference in planned.refused:
        if difference.harmless:  # As a newer or older server beside this one leaves it: a deployment must not lock one of them out.
            observe(Event("database.leftover", level=Level.WARNING, facts={"problem": str(difference)}))
    if refused or (planned.steps and not development):
        mend = "protoplane dev --reset (drops the data)" if development else "protoplane migrate --production --apply, for what only adds"
        missing = [] if development else [f"missing: {step.statement};" for step in planned.steps]
        raise NotStartedError([*missing, *refused, f"the database does not fit the contract\n    mend: {mend}"])
    if not planned.steps:
        return
    try:
        migrate.apply(engine, planned)
    except (migrate.StepFailed, Fault) as problem:
        raise NotStartedError([problem]) from problem
    made = Counter(step.kind.value for step in planned.steps)
    observe(Event("database.migrated", facts={f"{kind}_count": count for kind, count in made.items()}))


def identify(settings: Settings, contract: Contract) -> Identity:
    """What turns credentials into principals. Raises NotStartedError with everything that is wrong with keys and grants."""
    problems: list[Problem] = []
    keys: dict[str, VerificationKey] = {}
    signer, grants = None, dict(settings.grants)
    if settings.jwks:
        try:
            keys |= read_jwks(settings.jwks)
        except KeysError as error:
            problems.extend(error.problems)
    if settings.environment is Environment.DEV:
        try:
            signer = Signer.kept(settings.development_signing_key)
        except (OSError, ValueError) as error:
            raise NotStartedError([f"the development key {settings.development_signing_key} cannot be used: {error}"]) from error
        keys |= signer.verification_keys()
        grants.setdefault(DEVELOPER, (granting.EVERYONE,))
    declared = {method.rule.permission for method in contract.methods.values() if method.rule.access is Access.PERMISSION}
    problems.extend(granting.problems(grants, declared))
    if problems:
        raise NotStartedError(problems)
    verifier = Verifier(
        keys=keys,
        issuer=settings.auth.issuer,
        audience=settings.auth.audience,
        leeway_seconds=settings.auth.leeway_seconds,
        permissions_of=granting.Grants(grants, declared).of,
    )
    return Identity(verifier, signer)


def open_edge(
    settings: Settings,
    contract: Contract,
    served: Mapping[str, Served],
    *,
    identity: Identity,
    database: Database,
    observe: Observe,
) -> App:
    """Listen for calls of the compiled methods. Raises NotStartedError when the address cannot be had."""
    authenticate, server = identity.verifier.authenticate, settings.server
    if unread := early.problem():
        if settings.environment is Environment.SERVE:
            raise NotStartedError([f"{unread}\n    mend: install a version that is, as the lock files have it"])
        observe(Event("grpcio.unknown", level=Level.WARNING, facts={"problem": unread}))
    health = Health(dict.fromkeys(method.service for method in contract.methods.values()), observe)
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = health_handlers(health)
    if server.reflection != "off":
        anyone = server.reflection == "on"
        handlers |= reflection_handlers(contract, authenticate=authenticate, anyone=anyone, observe=observe)
    for path, method in served.items():
        serve = bind_call(method, authenticate=authenticate, deadlines=settings.deadlines, observe=observe)
        # Raw bytes both ways: grpcio would answer a malformed message with INTERNAL.
        handlers[path] = grpc.unary_unary_rpc_method_handler(serve)
    prober = Prober(database.ping, health)
    prober.start()
    share_port = settings.environment is Environment.SERVE
    try:
        listening = listen(handlers, address=server.address, threads=server.threads, share_port=share_port, observe=observe)
    except AddressError as error:
        prober.stop()
        raise NotStartedError([error]) from error
    return App(settings, contract, identity.signer, listening, health, prober, database)

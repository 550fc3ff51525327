"""From settings to a running server: a list of steps, each of which may say why it cannot be taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from protoplane.base import clock, memory
from protoplane.base.config import page_token_keys
from protoplane.base.errors import Fault
from protoplane.base.observe import Event, Level, Observe
from protoplane.base.settings import Environment, Settings
from protoplane.base.snapshot import Snapshot, merged
from protoplane.changes.retention import trim
from protoplane.contract.model import Access, Contract
from protoplane.database import DatabaseProblem, connect
from protoplane.edge import core, tls
from protoplane.edge.call import Served, unary_handler
from protoplane.edge.exposition import exposition
from protoplane.edge.health import Health, Prober, health_handlers
from protoplane.edge.reflection import reflection_handlers
from protoplane.edge.scrape import Scrape, ScrapeAddressError
from protoplane.edge.server import AddressError, Listening, listen
from protoplane.edge.streamed import stream_handler
from protoplane.identity import grants as granting
from protoplane.identity.tokens import KeysError, Signer, VerificationKey, Verifier, read_jwks
from protoplane.method.compile import compile_methods
from protoplane.method.replay import forget_old
from protoplane.method.streamed import Streamed
from protoplane.project import read_project
from protoplane.query.paging import PageTokens
from protoplane.store import migrate
from protoplane.store.engine import Engine
from protoplane.store.schema import TableShape
from protoplane.work.housekeeping import Housekeeping
from protoplane.work.watching import Watching, watch

if TYPE_CHECKING:
    from protoplane.base.config import Problem

HOUSEKEEPING_SECONDS_MAX = 60.0
"""For one task of housekeeping in one round."""

DEVELOPER = "developer"
"""Subject of the token that development prints; there it holds every permission."""

TRIM_SECONDS = 4.0
"""Between two looks at the memory that is free."""


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
    housekeeping: tuple[Housekeeping, ...] = ()
    watching: Watching | None = None
    scrape: Scrape | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self.listening.port

    def snapshot(self) -> Snapshot:
        """What it has counted so far."""
        return merged(()) if self.watching is None else self.watching.metrics.snapshot()

    def stop(self) -> None:
        """End without cutting a call off: tell health checks, wait for balancers, let running calls end."""
        self.health.drain()
        clock.sleep(self.settings.server.drain_seconds)
        self.listening.stop(self.settings.server.grace_seconds)
        self.prober.stop()
        for housekeeping in self.housekeeping:
            housekeeping.stop()
        if self.watching is not None:
            self.watching.stop()
        if self.scrape is not None:
            self.scrape.stop()
        self.database.close()


def start(settings: Settings, observe: Observe, *, reset: bool = False) -> App:
    """From settings to a server that takes calls. Raises NotStartedError with everything that is wrong, at the first step that fails.

    In development the database is made fit for the contract where that only adds; `reset` empties it first.
    """
    memory.give_back()
    project = read_project(settings)
    contract = project.contract
    if contract is None:
        raise NotStartedError(project.findings)
    identity = identify(settings, contract, project.permissions)
    engine = open_database(settings, observe, streams=contract.streams)
    watching = watch(engine, observe, slow_seconds=settings.log.slow_seconds)
    try:
        compiled = compile_methods(
            contract,
            engine,
            PageTokens([key.reveal() for key in page_token_keys(settings)]),
            project.custom,
            project.functions,
            project.declared,
        )
        make_fit(settings, engine, compiled.tables, observe, reset=reset)
        served: dict[str, Served | Streamed] = {**compiled.served, **compiled.streamed}
        running = open_edge(settings, contract, served, identity=identity, database=engine, observe=watching.observe)
        count(running, watching)
        tasks = {
            "request-ids": lambda: forget_old(engine, seconds_max=HOUSEKEEPING_SECONDS_MAX),
            "purge": lambda: compiled.purge.run(seconds_max=HOUSEKEEPING_SECONDS_MAX),
        }
        if keep_days := settings.changes.keep_days:
            tasks["changes"] = lambda: trim(engine, keep_days=keep_days, seconds_max=HOUSEKEEPING_SECONDS_MAX)
        scrape = open_scrape(settings, running, watching)
        trimming = Housekeeping({"memory": memory.Trim()}, watching.observe, pause_seconds=TRIM_SECONDS)
        return replace(running, housekeeping=(Housekeeping(tasks, watching.observe), trimming), watching=watching, scrape=scrape)
    except BaseException:
        watching.stop()
        engine.close()
        raise


def count(running: App, watching: Watching) -> None:
    """Have the metrics know the methods, and read what the edge and its health know."""
    metrics, wire = watching.metrics, running.listening.wire
    metrics.serve(running.listening.types)
    text = "Processes whose database answers: fewer than protoplane_processes is trouble."
    metrics.gauge("protoplane_database_answers", text, lambda: running.health.database_answered)
    metrics.gauge("protoplane_calls_running", "Calls that a thread works on.", lambda: wire.running)
    metrics.gauge("protoplane_calls_waiting", "Calls that wait for a thread.", lambda: wire.waiting)
    metrics.gauge("protoplane_calls_awaited", "Calls whose first message has not come.", lambda: len(wire.awaited))
    metrics.gauge("protoplane_streams_running", "Streaming calls under way.", lambda: wire.streaming)
    metrics.gauge("protoplane_unsent_bytes", "Of large answers that callers have not taken yet.", lambda: wire.unsent.total)


def open_scrape(settings: Settings, running: App, watching: Watching) -> Scrape | None:
    """Serve the metrics, in development; those of `serve` are of all processes together. Raises NotStartedError without the address."""
    if settings.environment is not Environment.DEV or not settings.metrics.address:
        return None
    try:
        return Scrape(
            settings.metrics.address,
            text=lambda: exposition(watching.metrics.snapshot()),
            ready=lambda: running.health.serving,
            observe=watching.observe,
        )
    except ScrapeAddressError as error:
        running.prober.stop()
        running.listening.stop(0)
        raise NotStartedError([error]) from error


def open_database(settings: Settings, observe: Observe, *, streams: bool = False) -> Engine:
    """Connect, and refuse a server whose settings would lose or bend data. `streams` read it too. Raises NotStartedError."""
    if settings.environment is Environment.DEV:
        settings.private_folder.mkdir(mode=0o700, exist_ok=True)
    try:
        engine = connect(settings, streams=streams)
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


def identify(settings: Settings, contract: Contract, permissions: frozenset[str] = frozenset()) -> Identity:
    """What turns credentials into principals. Raises NotStartedError with everything that is wrong with keys and grants.

    `permissions` are those that code asks for, beside those of the contract's rules.
    """
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
    declared = {method.rule.permission for method in contract.methods.values() if method.rule.access is Access.PERMISSION} | permissions
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
    served: Mapping[str, Served | Streamed],
    *,
    identity: Identity,
    database: Database,
    observe: Observe,
) -> App:
    """Listen for calls of the compiled methods. Raises NotStartedError when the address cannot be had, or TLS not be spoken."""
    authenticate, server = identity.verifier.authenticate, settings.server
    try:
        credentials = tls.credentials(server, settings.folder, observe)
    except tls.TlsError as error:
        raise NotStartedError(error.problems) from error
    if unread := core.problem():
        if settings.environment is Environment.SERVE:
            raise NotStartedError([f"{unread}\n    mend: install a version that is, as the lock files have it"])
        observe(Event("grpcio.unknown", level=Level.WARNING, facts={"problem": unread}))
    health = Health(dict.fromkeys(method.service for method in contract.methods.values()), observe)
    handlers = health_handlers(health)
    if server.reflection != "off":
        anyone, seconds_max = server.reflection == "on", settings.deadlines.max_seconds
        handlers |= reflection_handlers(contract, authenticate=authenticate, anyone=anyone, seconds_max=seconds_max, observe=observe)
    for path, method in served.items():
        if isinstance(method, Streamed):
            handlers[path] = stream_handler(
                method, authenticate=authenticate, deadlines=settings.deadlines, timings=server.timings, observe=observe
            )
        else:
            handlers[path] = unary_handler(
                method, authenticate=authenticate, deadlines=settings.deadlines, timings=server.timings, observe=observe
            )
    prober = Prober(database.ping, health)
    prober.start()
    share_port = settings.environment is Environment.SERVE
    try:
        listening = listen(
            handlers, server, share_port=share_port, identify=identity.verifier.known, observe=observe, credentials=credentials
        )
    except AddressError as error:
        prober.stop()
        raise NotStartedError([error]) from error
    return App(settings, contract, identity.signer, listening, health, prober, database)

"""A real server on a real port over methods that the tests write: small, but of the shape that `method.compile` makes."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from protoplane.app import App, identify, open_edge
from protoplane.base.config import load
from protoplane.base.deadline import Deadline
from protoplane.base.observe import CallDone, Mark, Observation
from protoplane.base.settings import Environment, Settings
from protoplane.contract.load import load as load_contract
from protoplane.contract.model import Contract, Method
from protoplane.identity.principal import Principal

GET, LIST = "/library.v1.Library/GetBook", "/library.v1.Library/ListBooks"


@dataclass(frozen=True)
class Asked:
    """What a method was called with."""

    data: bytes
    principal: Principal
    deadline: Deadline
    request_id: str
    cancelled: Callable[[], bool]


class Pause:
    """An answer that waits until the test lets it go on."""

    def __init__(self, answer: bytes = b"") -> None:
        self.entered, self.release, self._answer = threading.Event(), threading.Event(), answer

    def __call__(self, _asked: Asked) -> bytes:
        """Wait, then answer."""
        self.entered.set()
        assert self.release.wait(30)
        return self._answer


class Notes(list[Asked]):
    """An answer that notes what it was asked."""

    def __call__(self, asked: Asked) -> bytes:
        """Note it; echo."""
        self.append(asked)
        return asked.data


@dataclass
class Answering:
    """A compiled method whose answer the test chooses."""

    method: Method
    answers: Callable[[Asked], bytes]

    def answer(self, data: bytes, principal: Principal, deadline: Deadline, request_id: str, mark: Mark, field_mask: str) -> bytes:
        """What the test answers."""
        del field_mask
        answer = self.answers(Asked(data, principal, deadline, request_id, lambda: deadline.cancelled))
        mark("handle")
        return answer


@dataclass
class Database:
    """A database that answers, says no, raises or hangs, as the test wants."""

    ping_answers: Callable[[], bool] = lambda: True
    closed: bool = False

    def ping(self) -> bool:
        """Whether it answers."""
        return self.ping_answers()

    def close(self) -> None:
        """Remember that nobody needs it."""
        self.closed = True


@dataclass
class Running:
    """A server under test."""

    app: App
    channel: Any
    """A grpc.Channel; the stubs know no methods that take and give bytes."""
    database: Database
    seen: list[Observation]
    changed: threading.Condition

    @property
    def target(self) -> str:
        """What a client on this machine calls it."""
        return f"localhost:{self.app.port}"

    def call(self, path: str, data: bytes = b"", *, token: str | None = None, timeout: float | None = 10.0, **metadata: str) -> bytes:
        """One call; metadata keys are written with underscores."""
        sent = [(key.replace("_", "-"), value) for key, value in metadata.items()]
        if token is not None:
            sent.append(("authorization", f"Bearer {token}"))
        answer: bytes = self.channel.unary_unary(path)(data, timeout=timeout, metadata=sent)
        return answer

    def token(self, subject: str = "developer") -> str:
        """A token that the server believes."""
        assert self.app.signer is not None
        auth = self.app.settings.auth
        return self.app.signer.mint(subject=subject, issuer=auth.issuer, audience=auth.audience, seconds=60)

    def observed(self, event: str) -> Observation:
        """The first observation of a name (of an event, or the path of a call), waited for."""
        with self.changed:
            found = self.changed.wait_for(lambda: next((o for o in self.seen if name_of(o) == event), None), timeout=10)
        assert found, f"{event} was not observed in {self.seen}"
        return found


def name_of(observation: Observation) -> str:
    return observation.method if isinstance(observation, CallDone) else observation.name


@dataclass
class Starter:
    """Starts servers and ends them after the test."""

    contract: Contract
    settings: Settings
    running: list[Running] = field(default_factory=list)

    def __call__(
        self, answers: Mapping[str, Callable[[Asked], bytes]] | None = None, *, database: Database | None = None, **server: Any
    ) -> Running:
        """A server with these answers by path; echo for the others. Keywords are settings of [server]."""
        changed, seen = threading.Condition(), list[Observation]()

        def observe(observation: Observation) -> None:
            with changed:
                seen.append(observation)
                changed.notify_all()

        settings = dataclasses.replace(self.settings, server=dataclasses.replace(self.settings.server, **server))
        served = {
            path: Answering(method, (answers or {}).get(path, lambda asked: asked.data)) for path, method in self.contract.methods.items()
        }
        database = database or Database()
        identity = identify(settings, self.contract)
        app = open_edge(settings, self.contract, served, identity=identity, database=database, observe=observe)
        channel = grpc.insecure_channel(f"127.0.0.1:{app.port}", options=[("grpc.use_local_subchannel_pool", 1)])
        self.running.append(Running(app, channel, database, seen, changed))
        return self.running[-1]


@pytest.fixture(scope="session")
def contract() -> Contract:
    loaded = load_contract([Path(__file__).parent / "protos"])
    assert loaded.contract is not None, loaded.findings
    return loaded.contract


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    variables = {"PROTOPLANE_SERVER_ADDRESS": "127.0.0.1:0", "PROTOPLANE_SERVER_GRACE_SECONDS": "5"}
    return load(tmp_path, Environment.DEV, variables)


@pytest.fixture
def start(contract: Contract, settings: Settings) -> Iterator[Starter]:
    starter = Starter(contract, settings)
    yield starter
    for running in starter.running:
        running.channel.close()
        running.app.stop()


@pytest.fixture
def running(start: Starter) -> Running:
    return start()

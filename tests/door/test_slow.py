"""A slow call through the public door, on each engine: its plan is in the log, what the caller filtered by is not; and it is counted."""

from __future__ import annotations

import dataclasses
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from protoplane import app
from protoplane.base import config
from protoplane.base.log import Log
from protoplane.base.settings import Environment
from tests.door.client import Door, Refused
from tests.door.conftest import LIBRARY, project, stubs
from tests.door.service import running
from tests.engines import Database
from tests.engines.server import Server, driver

CANARY = "canary-7531-zebra"
SLOW_SECONDS = 1e-6
"""Every call is slow."""


@dataclass
class Lines:
    """The log, as it is written."""

    written: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def write(self, line: str) -> None:
        """Keep a line."""
        with self.changed:
            self.written.append(line)
            self.changed.notify_all()

    def slow(self, method: str) -> dict[str, Any]:
        """The line of a slow call, waited for."""

        def found() -> dict[str, Any] | None:
            lines: list[dict[str, Any]] = [json.loads(line) for line in self.written]
            return next((line for line in lines if line["event"] == "call.slow" and line["method"].endswith(f"/{method}")), None)

        with self.changed:
            line = self.changed.wait_for(found, timeout=20)
        assert line, self.written
        return line


@dataclass
class Watched:
    """A server whose log and metrics are read."""

    app: app.App
    door: Door
    lines: Lines

    def metrics(self) -> str:
        """As Prometheus gets them."""
        scrape = self.app.scrape
        assert scrape is not None
        with urllib.request.urlopen(f"http://127.0.0.1:{scrape.port}/metrics", timeout=10) as answer:
            return str(answer.read(), "utf-8")


@pytest.fixture
def watched(database: Database, tmp_path: Path) -> Iterator[Watched]:
    folder, lines = project(tmp_path, database.url), Lines()
    settings = config.load(folder, Environment.DEV, {"PROTOPLANE_METRICS_ADDRESS": "127.0.0.1:0"})
    settings = dataclasses.replace(settings, log=dataclasses.replace(settings.log, slow_seconds=SLOW_SECONDS))
    log = Log(calls="all", pretty=False, write=lines.write)
    with running(folder, log.observe, settings) as (server, _), closing(LIBRARY.door(folder, f"127.0.0.1:{server.port}")) as door:
        yield Watched(server, door, lines)
    log.close()


@pytest.fixture
def publisher(watched: Watched) -> str:
    """A publisher with one book."""
    name = str(watched.door.CreatePublisher(publisher_id="p", publisher=stubs.Publisher(display_name="Penguin")).name)
    watched.door.CreateBook(parent=name, book_id="b", book=stubs.Book(title=CANARY, page_count=753_197_531))
    return name


def test_a_slow_list_tells_its_plan_and_neither_log_nor_metrics_what_was_filtered_by(watched: Watched, publisher: str) -> None:
    found = watched.door.ListBooks(parent=publisher, filter=f'title = "{CANARY}" AND page_count > 753197530', order_by="page_count desc")
    assert len(found.books) == 1
    line = watched.lines.slow("ListBooks")
    assert line["level"] == "warning"
    assert line["code"] == "OK"
    assert line["statement_millis"] <= line["millis"]["sql"] < line["millis"]["total"]
    assert line["statement"].startswith("SELECT ")
    assert "books" in line["statement"]
    assert any("t1" in step for step in line["plan"])
    told = "".join(watched.lines.written) + watched.metrics()
    assert CANARY not in told
    assert "753197530" not in told
    assert "753197531" not in told


@pytest.mark.engines("mariadb", "mysql")
def test_a_call_that_waited_for_a_row_says_with_which_statement_while_the_row_is_still_locked(
    server: Server, database: Database, watched: Watched, publisher: str
) -> None:
    connection = driver().connect(host="127.0.0.1", port=server.port, user="root", database=database.name, autocommit=False)
    with closing(connection), closing(connection.cursor()) as cursor:
        cursor.execute("SELECT * FROM books FOR UPDATE")
        with pytest.raises(Refused) as refused:
            watched.door.UpdateBook(book=stubs.Book(name=f"{publisher}/books/b", page_count=1), seconds=1.0)
        assert refused.value.code == "DEADLINE_EXCEEDED"
        line = watched.lines.slow("UpdateBook")
        connection.rollback()
    assert line["code"] in {"DEADLINE_EXCEEDED", "CANCELLED"}, "the caller's own clock ends the call as well, and may be first"
    assert line["statement_millis"] > 500
    assert line["millis"]["sql"] >= line["statement_millis"], "of a call that was refused, too"
    assert "books" in line["statement"]
    assert any("t1" in step for step in line["plan"])
    assert CANARY not in "".join(watched.lines.written)


WAY_IN, WAY_OUT = ["queue", "authenticate", "decode", "authorise", "check"], ["sql", "handle", "encode", "commit", "total"]


def test_a_call_that_asks_is_told_how_long_each_of_its_stages_took(watched: Watched, publisher: str) -> None:
    """Of the handler's time, what the database took is apart; all of them make the total."""
    door = watched.door
    request_id = "1f0b8e0c-5d3a-4c8e-9b1a-6f2d7c3e4a5b"
    for method, request in (
        ("GetBook", stubs.GetBookRequest(name=f"{publisher}/books/b")),
        ("ListBooks", stubs.ListBooksRequest(parent=publisher)),
        ("CreateBook", stubs.CreateBookRequest(parent=publisher, book=stubs.Book(title="x"), request_id=request_id)),
        ("UpdateBook", stubs.UpdateBookRequest(book=stubs.Book(name=f"{publisher}/books/b", page_count=2))),
    ):
        call: Any = door.channel.unary_unary(f"/library.v1.Library/{method}")
        metadata = [("authorization", f"Bearer {door.token}"), ("server-timing", "on")]
        _, told = call.with_call(request.SerializeToString(), metadata=metadata, timeout=10)
        stages = dict(stage.split(";dur=") for stage in dict(told.trailing_metadata())["server-timing"].split(", "))
        assert list(stages) == WAY_IN + WAY_OUT, method
        millis = {stage: float(took) for stage, took in stages.items()}
        total = millis.pop("total")
        assert sum(millis.values()) == pytest.approx(total, abs=0.01)
        assert all(took >= 0 for took in millis.values())
        assert millis["sql"] > 0


def test_in_development_the_server_itself_shows_what_it_counts(watched: Watched, publisher: str) -> None:
    with pytest.raises(Refused):
        watched.door.GetBook(name=f"{publisher}/books/none")
    samples = {
        (sample.name, sample.labels.get("grpc_method", ""), sample.labels.get("grpc_code", "")): sample.value
        for family in text_string_to_metric_families(watched.metrics())
        for sample in family.samples
    }
    assert samples["grpc_server_handled_total", "CreateBook", "OK"] == 1
    assert samples["grpc_server_handled_total", "GetBook", "NOT_FOUND"] == 1
    assert samples["grpc_server_handling_seconds_count", "GetBook", ""] == 1
    assert samples["protoplane_processes", "", ""] == 1
    assert samples["protoplane_resident_bytes", "", ""] > 1_000_000
    assert samples["protoplane_connections_in_use", "", ""] + samples["protoplane_connections_idle", "", ""] >= 1
    assert samples["protoplane_database_answers", "", ""] in {0, 1}  # The first probe may still be under way.


def test_a_metrics_address_that_is_taken_is_a_reason_not_to_start(watched: Watched, tmp_path_factory: pytest.TempPathFactory) -> None:
    scrape = watched.app.scrape
    assert scrape is not None
    folder = project(tmp_path_factory.mktemp("second"), "sqlite:///second.db")
    settings = config.load(folder, Environment.DEV, {"PROTOPLANE_METRICS_ADDRESS": f"127.0.0.1:{scrape.port}"})
    with pytest.raises(app.NotStartedError, match="cannot serve metrics on"):
        app.start(settings, lambda _: None)

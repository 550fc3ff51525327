"""Pages of a hundred thousand documents for callers who may see ten, one per cent, nearly all, none: exact, and read with as little as their shape needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench.documents import PAGE_ROWS, read
from tests.bench.stacks import CALLERS, Stacks
from tests.bench.stacks_tables import changed
from tests.door.service import running, token_of
from tests.engines import Engine
from tests.engines.server import Server

MANY, FEWER = Stacks(documents=100_000, folders=1_000), Stacks(documents=10_000, folders=1_000)
"""As many folders, groups and users: what else a page reads does not depend on how many documents there are."""

SETTINGS = '\n[database]\nurl = "{url}"\n\n[server]\naddress = "127.0.0.1:0"\n'

ROWS_PER_ROW = 12
"""Rows that are read of a document which is looked up, and of one that is checked, at most: itself, where it lies, and who may see that."""

ROWS_BEFORE = 2_000
"""Rows that are read to find out how much a caller may see, at most."""


class Desk:
    """A server of so many documents."""

    def __init__(self, engine: Server, folder: Path, port: int, stacks: Stacks) -> None:
        self.stacks = stacks
        self._engine, self._folder, self._port = engine, folder, port

    def page(self, caller: str, token: str = "") -> tuple[list[str], str]:
        """A page as the caller sees it, and the token of the next."""
        return read(self._port, {"authorization": f"Bearer {token_of(self._folder, caller)}"}, token)

    def rows_read(self, caller: str) -> int:
        """By the database, for the first page; the least of three times, because the server does other things too."""
        return min(self._rows_read(caller) for _ in range(3))

    def _rows_read(self, caller: str) -> int:
        first, before = self._counted(), self._counted()
        self.page(caller)
        return self._counted() - before - (before - first)  # To count is to read, too.

    def _counted(self) -> int:
        return sum(int(str(value)) for _, value in self._engine.execute("SHOW GLOBAL STATUS LIKE 'Handler_read%%'"))


@contextmanager
def served(engine: Engine, folder: Path, stacks: Stacks) -> Iterator[Desk]:
    assert isinstance(engine, Server)
    database = engine.create_database()
    project = changed(folder / f"of-{stacks.documents}", {})
    with (project / "protoplane.toml").open("a") as settings:
        settings.write(SETTINGS.format(url=database.url))
    with running(project) as (app, bugs):
        stacks.fill(database.url)
        yield Desk(engine, project, app.port, stacks)
        assert not bugs
    database.drop()


@pytest.fixture(scope="module")
def desk(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Of many documents."""
    with served(engine, tmp_path_factory.mktemp("many"), MANY) as desk:
        yield desk


@pytest.fixture(scope="module")
def smaller(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Of a tenth of them."""
    with served(engine, tmp_path_factory.mktemp("fewer"), FEWER) as desk:
        yield desk


@pytest.mark.engines("mariadb", "mysql")
@pytest.mark.parametrize("caller", CALLERS)
def test_auth_18_pages_sorted_and_filtered_are_exact_for_who_may_see_ten_one_per_cent_nearly_all_none(desk: Desk, caller: str) -> None:
    token = ""
    for number in range(4):
        names, token = desk.page(caller, token)
        assert names == desk.stacks.page(caller, PAGE_ROWS, number)
        assert bool(token) == bool(desk.stacks.page(caller, PAGE_ROWS, number + 1))
        if not token:
            break


@pytest.mark.engines("mariadb", "mysql")
@pytest.mark.parametrize("caller", ["ten", "nearly-all", "none"])
def test_a_page_of_few_or_of_nearly_all_reads_no_more_rows_of_more_documents(desk: Desk, smaller: Desk, caller: str) -> None:
    rows = desk.rows_read(caller)
    assert rows <= smaller.rows_read(caller) * 1.2
    assert rows <= {"ten": 200, "nearly-all": ROWS_BEFORE + 2 * PAGE_ROWS * ROWS_PER_ROW * 4, "none": 100}[caller]


@pytest.mark.engines("mariadb", "mysql")
def test_a_page_of_one_per_cent_reads_as_many_rows_as_that_is(desk: Desk) -> None:
    visible = sum(desk.stacks.sees("one-per-cent", number) for number in range(desk.stacks.documents))
    assert visible == desk.stacks.documents // 100
    assert desk.rows_read("one-per-cent") <= 2 * ROWS_BEFORE + visible * ROWS_PER_ROW

"""Several statements that read one moment."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from protoplane.store.engine import Engine
from protoplane.store.session import Session
from tests.store.conftest import read, soon, sql, write

ROOMS = "SELECT room FROM shelf ORDER BY shelf"


def test_a_snapshot_reads_one_moment_whatever_is_committed_meanwhile(library: Engine) -> None:
    def work(session: Session) -> list[object]:
        before = session.rows(ROOMS)
        change_elsewhere(library, 2)
        after = session.rows(ROOMS)
        session.snapshot()
        change_elsewhere(library, 3)
        first = session.rows(ROOMS)
        session.snapshot()
        change_elsewhere(library, 4)
        return [*before, *after, *first, *session.rows(ROOMS)]

    assert library.read(work, soon()) == [(1,), (2,), (2,), (2,)]
    assert read(library, ROOMS) == [(4,)], "and the next read sees what is there now"


def test_nothing_is_written_in_a_snapshot_and_the_connection_writes_again_after_it(library: Engine) -> None:
    def work(session: Session) -> None:
        session.snapshot()
        session.rows(ROOMS)
        with pytest.raises(RuntimeError, match=r"Engine\.write"):
            session.execute("DELETE FROM shelf")

    library.read(work, soon())
    assert write(library, "UPDATE shelf SET room = ?", 5) == 1
    assert read(library, ROOMS) == [(5,)]


def test_a_session_that_writes_goes_on_to_see_what_it_has_written(library: Engine) -> None:
    def work(session: Session) -> object:
        session.snapshot()
        session.execute(sql(library, "UPDATE shelf SET room = ?"), (7,))
        return list(session.rows(ROOMS))

    assert library.write(work, soon()) == [(7,)]
    assert read(library, ROOMS) == [(7,)]


def change_elsewhere(library: Engine, room: int) -> None:
    """By another connection: this thread's has a session."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(write, library, "UPDATE shelf SET room = ?", room).result()

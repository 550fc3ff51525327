"""What a database refuses has one name, whichever engine says it, and leaves the engine fit for the next call."""

from dataclasses import replace

import peewee
import pytest

from protoplane.base.errors import Fault
from protoplane.store.dialect import MySQLFamily
from protoplane.store.engine import CannotConnect, Engine, Unusable
from protoplane.store.migrate import STEP_TABLE, Plan, StepFailed, apply, plan
from protoplane.store.session import Session
from protoplane.store.trouble import MYSQL_ERRORS, Trouble
from tests.engines import Database
from tests.faults.others import SERVERS, meanwhile, plain_user
from tests.store.conftest import BOOK, SHELF, read, soon, write
from tests.store.test_engine import add_shelf


@SERVERS
@pytest.mark.usefixtures("library")
def test_a_privilege_that_is_missing_is_unavailable_to_callers_and_named_to_whoever_configures(database: Database) -> None:
    database.execute("CREATE USER IF NOT EXISTS reader@'127.0.0.1' IDENTIFIED BY 'word'")
    database.execute(f"GRANT SELECT ON {database.name}.* TO reader@'127.0.0.1'")
    reader = Engine(database.url.replace("root@", "reader:word@"), threads=1)
    with pytest.raises(Unusable, match=r"lacks a privilege: .*INSERT command denied") as refused:
        reader.write(add_shelf(reader, "b"), soon())
    assert (refused.value.reason, refused.value.text) == ("DATABASE_UNAVAILABLE", "The storage cannot be reached at the moment.")
    assert read(reader, "SELECT shelf FROM shelf") == [("a",)]
    assert [finding for finding in reader.findings() if finding.fatal] == []
    reader.close()


@SERVERS
def test_an_account_that_may_only_use_tables_serves_and_does_not_migrate(database: Database, store: Engine) -> None:
    apply(store, plan(store, (SHELF, BOOK)))
    plain_user(database)
    plain = Engine(database.url.replace("root@", "plain:word@"), threads=1)
    assert plan(plain, (SHELF, BOOK)) == Plan((), ())
    apply(plain, plan(plain, (SHELF, BOOK)))
    with pytest.raises(StepFailed, match="CREATE command denied"):
        apply(plain, plan(plain, (SHELF, BOOK, replace(SHELF, name="more"))))
    assert read(store, "SELECT table_name, state FROM protoplane_step ORDER BY number DESC LIMIT 1") == [("more", "failed")]
    database.execute(f"DROP TABLE {STEP_TABLE.name}")
    apply(plain, plan(plain, (SHELF, BOOK)))
    with pytest.raises(StepFailed, match=r"CREATE command denied[^\n]*\n    in: CREATE TABLE IF NOT EXISTS `protoplane_step`"):
        apply(plain, plan(plain, (SHELF, BOOK, replace(SHELF, name="more"))))
    plain.close()


@SERVERS
def test_a_wrong_password_is_named_and_not_repeated(database: Database) -> None:
    plain_user(database)
    with pytest.raises(CannotConnect, match="Access denied") as refused:
        Engine(database.url.replace("root@", "plain:s3cret@"), threads=1)
    assert "s3cret" not in str(refused.value) + str(refused.value.__cause__)


@SERVERS
def test_a_packet_too_large_is_refused_and_costs_only_its_connection(database: Database, library: Engine) -> None:
    limit = database.execute("SELECT @@global.max_allowed_packet")[0][0]
    assert isinstance(limit, int)
    with pytest.raises(Fault) as refused:
        write(library, "INSERT INTO book (shelf, book, title, pages, lent) VALUES (?, ?, ?, ?, ?)", "a", "b", "x" * (limit + 1), 1, 0)
    assert refused.value.reason in {"VALUE_TOO_LARGE", "DATABASE_UNAVAILABLE"}
    assert read(library, "SELECT COUNT(*) FROM book") == [(0,)]


@SERVERS
def test_values_too_long_or_out_of_range_are_refused_not_bent(library: Engine) -> None:
    insert = "INSERT INTO book (shelf, book, title, isbn, pages, lent) VALUES (?, ?, ?, ?, ?, ?)"
    for values in (("a", "b", "", "x" * 21, 1, 0), ("a", "b", "", "x", 2**63, 0)):
        with pytest.raises(Fault) as refused:
            write(library, insert, *values)
        assert refused.value.reason == "VALUE_TOO_LARGE"
    assert read(library, "SELECT COUNT(*) FROM book") == [(0,)]


def test_a_duplicate_key_shows_the_row_that_is_there(library: Engine) -> None:
    """READ COMMITTED: after the refusal, a plain SELECT sees what another transaction committed since this one began."""

    def work(session: Session) -> object:
        session.rows("SELECT COUNT(*) FROM shelf")
        if not isinstance(library.dialect, MySQLFamily):
            return session.row("SELECT room FROM shelf WHERE shelf = 'a'")
        with meanwhile(lambda: write(library, "INSERT INTO shelf (shelf, room) VALUES (?, ?)", "b", 7)) as raised:
            pass
        assert not raised
        return session.row("SELECT room FROM shelf WHERE shelf = 'b'")

    assert library.write(work, soon()) in {(7,), (1,)}


@SERVERS
@pytest.mark.parametrize("number", sorted(MYSQL_ERRORS))
def test_peewee_and_the_driver_are_understood_alike(store: Engine, number: int) -> None:
    import MySQLdb

    error = MySQLdb.OperationalError(number, "x")
    assert store.dialect.classify(error) is store.dialect.classify(peewee.OperationalError(error, number, "x")) is MYSQL_ERRORS[number]
    assert store.dialect.classify(MySQLdb.InterfaceError(0, "")) is Trouble.GONE_BEFORE
    assert store.dialect.classify(MySQLdb.ProgrammingError("not all arguments converted")) is Trouble.BUG

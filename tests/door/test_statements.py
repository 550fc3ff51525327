"""Whether the judge of all statements (`statements.py`) would see a value that stands in one; the fixture `judged` asks it about the whole session."""

from __future__ import annotations

import pytest

from tests.door.client import Door
from tests.door.statements import Seen, foreign, watched

BOUND = (
    ('SELECT "t1"."title" FROM "books" AS "t1" WHERE ("t1"."publisher" = ?) LIMIT ?', False),
    ("SELECT `t1`.`title` FROM `books` AS `t1` WHERE (`t1`.`notes` LIKE %s ESCAPE '!') FOR UPDATE", True),
    ("SELECT json_extract(value, '$[0]') AS k0, json_extract(value, '$.title') FROM json_each(?)", False),
    ("SELECT SUBSTR(`t1`.`title`, 1, 255) FROM JSON_TABLE( %s , '$[*]' COLUMNS (k0 VARCHAR(63) PATH '$[0]'))", True),
)
VALUES = (
    "'Emma'", '"Emma"', "`Emma`", "17", "-17", "1.5", "1e9", ".5", "0x456D6D61", "X'456D6D61'", "'it''s'", "'\\'", "'$.a b'", "'$.zanzibar'", "'$[0].x'' OR'",
    "'2024-05-01 00:00:00.000000'", "/* Emma */", "-- Emma", "#", "\"title' OR '\"", "`xyzzy`", '"xyzzy"', "'unclosed", "9223372036854775807",
)  # fmt: skip


@pytest.mark.parametrize(("sql", "backticks"), BOUND)
def test_what_is_bound_is_not_foreign_and_any_value_in_its_place_is(sql: str, backticks: bool) -> None:
    assert list(foreign(sql, backticks=backticks)) == []
    for value in VALUES:
        assert list(foreign(f"{sql} AND {value}", backticks=backticks)), value
        assert list(foreign(sql.replace("?", value).replace("%s", value), backticks=backticks)), value


def test_an_index_is_asked_about_by_a_name_of_the_contract_only() -> None:
    assert list(foreign("PRAGMA index_list('books')", backticks=False)) == []
    assert list(foreign("PRAGMA index_info('books__isbn')", backticks=False)) == []
    assert list(foreign("PRAGMA index_list('xyzzy')", backticks=False)) == ["'xyzzy'"]


def test_a_name_in_the_quotes_of_another_engine_is_a_value_there() -> None:
    assert list(foreign('SELECT "title"', backticks=True)) == ['"title"']
    assert list(foreign("SELECT `title`", backticks=False)) == ["`title`"]


def test_b04_the_statements_of_calls_are_seen_once_each(door: Door, publisher: str) -> None:
    """Whatever value is asked for: one text; another field: another text."""
    seen = Seen()
    with watched(seen):
        for title in ("Emma", "Persuasion"):
            door.ListBooks(parent=publisher, filter=f'title = "{title}"')
        one = len(seen.hashes)
        door.ListBooks(parent=publisher, filter='notes = "Emma"')
    assert one >= 1
    assert len(seen.hashes) > one
    seen.check()

"""What is written is what is read: every storage at its extremes, and comparisons that see every difference."""

import json
import math
import struct
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peewee import Column, Expression, Table

from protoplane.base.errors import Fault
from protoplane.query.slot import Slot
from protoplane.store.dialect import EPOCH
from protoplane.store.engine import Engine
from protoplane.store.schema import ColumnShape, Storage, TableShape
from tests.store.conftest import query_rows, read, soon, sql, write

MICROSECOND = timedelta(microseconds=1)
TIME_MIN = (EPOCH.min - EPOCH) // MICROSECOND
TIME_MAX = (EPOCH.max - EPOCH) // MICROSECOND
DOUBLES = [1.7976931348623157e308, -1.7976931348623157e308, 2.2250738585072014e-308, 5e-324, -5e-324, 0.1, 1 / 3, 0.0, 123456789.123456789]
TEXTS = [
    "",
    "a",
    "A",
    "a ",
    " a",
    "é",
    "e\u0301",
    "ß",
    "ss",
    "😀",
    "😁",
    "1",
    "\uff11",
    "it's",
    "back\\slash",
    "%",
    "_",
    "!",
    "\n",
    "\u2028",
    "x" * 300,
]
BYTES = [b"", b"\x00", b"\xff\xfe", b"\x00'\\\"", bytes(range(256)), b"\x80" * 1024 * 1024]

VALUES = TableShape(
    name="value_of",
    columns=(
        ColumnShape("id", Storage.INT64, nullable=False),
        *(ColumnShape(f"a_{storage}", storage, nullable=True) for storage in Storage),
        ColumnShape("short", Storage.TEXT, nullable=True, length=300),
    ),
    primary_key=("id",),
)
CASES = [
    *((Storage.BOOL, value) for value in (True, False, None)),
    *((Storage.INT64, value) for value in (2**63 - 1, -(2**63), 0, -1)),
    *((Storage.UINT64, value) for value in (2**63 - 1, 0)),
    *((Storage.DOUBLE, value) for value in DOUBLES),
    *((Storage.TEXT, value) for value in TEXTS),
    *((Storage.BYTES, value) for value in BYTES),
    *((Storage.TIME, value) for value in (TIME_MIN, TIME_MAX, 0, -1, 1, 1_700_000_000_123_456)),
    *((Storage.JSON, value) for value in ('{"b":1,"a":[1.0,"é"]}', "[]")),
]


@pytest.fixture
def values(store: Engine) -> Engine:
    store.define(store.dialect.definitions.create_table(VALUES), soon())
    return store


def put(store: Engine, number: int, storage: Storage, value: object) -> None:
    write(store, f"INSERT INTO value_of (id, a_{storage}) VALUES (?, ?)", number, store.dialect.binder(storage)(value))


def get(store: Engine, number: int, storage: Storage) -> object:
    table = Table(VALUES.name, [column.name for column in VALUES.columns])
    query = table.select(store.dialect.read(Column(table, f"a_{storage}"), storage)).where(Column(table, "id") == number)
    ((found,),) = query_rows(store, query)
    return found


def test_every_extreme_reads_back_equal(values: Engine) -> None:
    for number, (storage, value) in enumerate(CASES):
        put(values, number, storage, value)
        found = get(values, number, storage)
        assert found == value, (storage, value)
        assert type(found) is type(value) or storage is Storage.BOOL, (storage, found)


def test_rows_written_together_keep_values_that_look_alike_apart(values: Engine) -> None:
    """The engines write a row's values as text, and those that rows share once."""
    alike = [
        (text, text.encode(), number, float(number), number == 1)
        for text, number in (("1", 1), ("0", 0), ("1", 0), ("NULL", 1), ("", 0), ("it's \\ %s", 1), ("é" * 200, 0), ("1", 1), ("NULL", 1))
    ]
    rows = [(id_, *row) for id_, row in enumerate([*alike, (None, None, None, None, None), *alike])]
    insert = sql(values, "INSERT INTO value_of (id, a_text, a_bytes, a_int64, a_double, a_bool) VALUES (?, ?, ?, ?, ?, ?)")
    assert values.write(lambda session: session.execute_many(insert, rows), soon()) == len(rows)
    assert read(values, "SELECT id, a_text, a_bytes, a_int64, a_double, a_bool FROM value_of ORDER BY id") == rows


def test_uint64_is_exact_or_refused(values: Engine) -> None:
    assert values.dialect.uint64_max in {2**64 - 1, 2**63 - 1}
    put(values, 1, Storage.UINT64, values.dialect.uint64_max)
    assert get(values, 1, Storage.UINT64) == values.dialect.uint64_max
    with pytest.raises(Fault) as refused:
        put(values, 2, Storage.UINT64, values.dialect.uint64_max + 1)
    assert refused.value.reason == "VALUE_TOO_LARGE"
    assert len(read(values, "SELECT id FROM value_of")) == 1


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("d", struct.pack("Q", bits))[0]).filter(math.isfinite), max_size=50)
)
def test_every_double_reads_back_equal_and_is_found(values: Engine, doubles: list[float]) -> None:
    write(values, "DELETE FROM value_of")
    insert = sql(values, "INSERT INTO value_of (id, a_double) VALUES (?, ?)")
    values.write(lambda session: session.execute_many(insert, list(enumerate(doubles))), soon())
    assert [row[0] for row in read(values, "SELECT a_double FROM value_of ORDER BY id")] == doubles
    for number, value in enumerate(doubles):
        assert (number,) in read(values, "SELECT id FROM value_of WHERE a_double = ?", value)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(TIME_MIN, TIME_MAX), max_size=50))
def test_every_microsecond_reads_back_equal_and_in_order(values: Engine, times: list[int]) -> None:
    write(values, "DELETE FROM value_of")
    convert = values.dialect.binder(Storage.TIME)
    insert = sql(values, "INSERT INTO value_of (id, a_time) VALUES (?, ?)")
    values.write(lambda session: session.execute_many(insert, [(i, convert(t)) for i, t in enumerate(times)]), soon())
    table = Table(VALUES.name, [column.name for column in VALUES.columns])
    query = table.select(values.dialect.read(Column(table, "a_time"), Storage.TIME)).order_by(Column(table, "a_time"))
    assert [row[0] for row in query_rows(values, query)] == sorted(times)


def test_text_compares_and_is_unique_to_the_last_bit(values: Engine) -> None:
    values.define("CREATE UNIQUE INDEX value_of__short ON value_of (short)", soon())
    for number, text in enumerate(TEXTS):
        write(values, "INSERT INTO value_of (id, short) VALUES (?, ?)", number, text)
    for number, text in enumerate(TEXTS):
        assert read(values, "SELECT id FROM value_of WHERE short = ?", text) == [(number,)]
    in_order = [row[0] for row in read(values, "SELECT short FROM value_of ORDER BY short")]
    assert in_order == sorted(TEXTS, key=lambda text: text.encode())


def test_like_sees_case_and_every_character(values: Engine) -> None:
    for number, text in enumerate(TEXTS):
        write(values, "INSERT INTO value_of (id, short) VALUES (?, ?)", number, text)
    assert read(values, "SELECT short FROM value_of WHERE short LIKE ? ESCAPE '!' ORDER BY id", "a%") == [("a",), ("a ",)]
    assert read(values, "SELECT short FROM value_of WHERE short LIKE ? ESCAPE '!'", "!%") == [("%",)]
    assert read(values, "SELECT short FROM value_of WHERE short LIKE ? ESCAPE '!'", "back\\s%") == [("back\\slash",)]


def test_left_counts_characters(values: Engine) -> None:
    put(values, 1, Storage.TEXT, "😀é" + "x" * 10)
    table = Table(VALUES.name)
    query = table.select(values.dialect.left(table.c.a_text, 2))
    assert query_rows(values, query) == [("😀é",)]


KEYS = [
    "a",
    "A",
    "a ",
    "",
    "dot.ted",
    'qu"ote',
    "ap'os",
    "back\\slash",
    "tab\t",
    "\u2028",
    "ünï",
    "😀",
    "$",
    "*",
    "[0]",
    'a"]',
    "\\u0041",
    "\x7f",
    "\x01",
]
ELEMENTS: list[tuple[Storage, list[object]]] = [
    (Storage.TEXT, ["a", "A", "a ", "", "é", "😀", 'qu"o', "b\\s", "%"]),
    (Storage.INT64, [0, 1, -5, 2**63 - 1, -(2**63)]),
    (Storage.UINT64, [0, 2**63 - 1]),
    (Storage.DOUBLE, [0.1, 1e308, 5e-324, -1.5, 3.0]),
    (Storage.BOOL, [True, False]),
]


def matching(store: Engine, storage: Storage, *, keyed: bool, key: object = None, value: object = None) -> list[int]:
    """Numbers of the rows that have an element with this key, this value or both."""
    table = Table(VALUES.name, [column.name for column in VALUES.columns])
    elements = store.dialect.json_elements(Column(table, "a_json"), storage, keyed=keyed)
    tests: list[Expression] = [
        Expression(node, "=", Slot(name))
        for name, node, wanted in (("k", elements.key, key), ("v", elements.value, value))
        if wanted is not None
    ]
    query = (
        table.select(Column(table, "id"))
        .where(elements.exists(tests[0] if len(tests) == 1 else Expression(tests[0], "AND", tests[1])))
        .order_by(Column(table, "id"))
    )
    return [int(str(number)) for (number,) in query_rows(store, query, k=key, v=value)]


def put_json(store: Engine, number: int, value: object) -> None:
    put(store, number, Storage.JSON, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


@pytest.mark.parametrize(("storage", "elements"), ELEMENTS, ids=[storage.value for storage, _ in ELEMENTS])
def test_an_element_of_an_array_is_found_exactly(values: Engine, storage: Storage, elements: list[object]) -> None:
    for number, element in enumerate(elements):
        put_json(values, number, [elements[0], element])
    put(values, 100, Storage.JSON, "[]")
    put(values, 101, Storage.JSON, "")
    put(values, 102, Storage.JSON, None)
    for number, element in enumerate(elements[1:], 1):
        assert matching(values, storage, keyed=False, value=element) == [number]
        assert matching(values, storage, keyed=False, key=1, value=element) == [number]
        assert matching(values, storage, keyed=False, key=0, value=element) == []


@pytest.mark.parametrize(("storage", "elements"), ELEMENTS, ids=[storage.value for storage, _ in ELEMENTS])
def test_an_entry_of_a_map_is_found_exactly(values: Engine, storage: Storage, elements: list[object]) -> None:
    for number, key in enumerate(KEYS):
        put_json(values, number, [["other", elements[0]], [key, elements[number % len(elements)]]])
    put(values, 100, Storage.JSON, "[]")
    put(values, 101, Storage.JSON, None)
    for number, key in enumerate(KEYS):
        assert matching(values, storage, keyed=True, key=key) == [number]
        assert matching(values, storage, keyed=True, key=key, value=elements[number % len(elements)]) == [number]
        assert matching(values, storage, keyed=True, key=key, value=elements[(number + 1) % len(elements)]) == []


def test_elements_within_elements(values: Engine) -> None:
    put_json(values, 1, [[["x", ["a", "b"]]], [["x", []]]])
    put_json(values, 2, [[["x", ["c"]]]])
    table = Table(VALUES.name, [column.name for column in VALUES.columns])
    outer = values.dialect.json_elements(Column(table, "a_json"), Storage.JSON)
    fields = values.dialect.json_elements(outer.value, Storage.JSON, keyed=True, alias="field")
    inner = values.dialect.json_elements(fields.value, Storage.TEXT, alias="inner_one")
    found = outer.exists(
        fields.exists(Expression(Expression(fields.key, "=", "x"), "AND", inner.exists(Expression(inner.value, "=", "b"))))
    )
    assert query_rows(values, table.select(Column(table, "id")).where(found)) == [(1,)]

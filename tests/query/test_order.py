"""Orders and positions: every row once, in order, at a cost that does not grow with the depth of the page."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache, cmp_to_key

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protoplane.base import limits
from protoplane.base.errors import Code, Fault, Reason
from protoplane.contract.model import Presence
from protoplane.query.order import Order, OrderCompiler
from protoplane.query.paging import Position
from tests.query.library import POOLS, BookColumns, Books, Row, all_fields, book, equals, limit, random_books

COMPILER = OrderCompiler(book(), BookColumns())
SORTABLE = [
    "name",
    "title",
    "subtitle",
    "pages",
    "views",
    "stock",
    "ratio",
    "weight",
    "score",
    "state",
    "active",
    "publish_time",
    "length",
    "author",
]
SORTABLE += ["editor", "address.city", "address.zip", "address.point.x", "rank"]


@cache
def books() -> Books:
    return Books(random_books(120, seed=2))


def page(held: Books, order: Order, position: Position | None, rows: int) -> list[tuple[object, ...]]:
    """One page: (id, then the sort keys) of each row."""
    select = held.select("id").select_extend(*(key.node.alias(f"key_{i}") for i, key in enumerate(order.keys)))  # type: ignore[attr-defined] # Entities.
    after = None if position is None else order.after(position)
    query = order.page(select, after, limit(rows))
    found = held.run(query, {} if after is None else dict(after.values))
    return [row[: 1 + len(order.keys)] for row in found]


def walk(held: Books, order: Order, rows: int) -> list[object]:
    """The ids of all rows, page by page."""
    ids: list[object] = []
    position: Position | None = None
    while found := page(held, order, position, rows):
        ids += [row[0] for row in found]
        position = found[-1][1:]  # type: ignore[assignment] # What SQLite returns.
    return ids


def sort_value(row: Row, path: str) -> tuple[object, ...]:
    """What a row sorts by, NULL below everything."""
    if path == "name":
        return tuple(str(row["name"]).split("/")[1::2])
    if path in ("author", "editor"):
        name = row.get(path)
        return ((0, ""), (0, "")) if name is None else tuple((1, part) for part in (str(name).split("/")[1::2] if name else ["", ""]))
    value = row.get(path)
    if path == "subtitle" and value is not None:
        value = str(value)[:3]
    return ((0, 0) if value is None else (1, value),)


def sorted_ids(rows: list[Row], terms: list[tuple[str, bool]]) -> list[int]:
    """The oracle: compare by each term in turn, then by name in the direction of the last."""
    ending = [*terms, ("name", terms[-1][1] if terms else False)]

    def compare(one: int, other: int) -> int:
        for path, descending in ending:
            left, right = sort_value(rows[one], path), sort_value(rows[other], path)
            if left != right:
                return (-1 if left < right else 1) * (-1 if descending else 1)
        return 0

    return sorted(range(len(rows)), key=cmp_to_key(compare))


TERMS = st.lists(st.tuples(st.sampled_from(SORTABLE), st.booleans()), max_size=4, unique_by=lambda term: term[0])


@settings(max_examples=300)
@given(TERMS, st.sampled_from([1, 2, 7, 50, 120, 500]), st.booleans())
def test_every_row_appears_once_and_in_order_for_every_order_and_page_size(terms: list[tuple[str, bool]], rows: int, merges: bool) -> None:
    text = ", ".join(f"{path}{' desc' if descending else ''}" for path, descending in terms)
    order = OrderCompiler(book(), BookColumns(merges_ranges=merges)).compile(text)
    assert walk(books(), order, rows) == sorted_ids(books().rows, terms)


@pytest.mark.parametrize("path", SORTABLE)
@pytest.mark.parametrize("direction", ["", " desc"])
def test_null_comes_first_ascending_and_last_descending(path: str, direction: str) -> None:
    ids = walk(books(), OrderCompiler(book(), BookColumns()).compile(path + direction), 13)
    assert ids == sorted_ids(books().rows, [(path, bool(direction))])


def test_rows_written_and_deleted_between_pages_move_no_other_row() -> None:
    held = Books(random_books(80, seed=3))
    order = OrderCompiler(book(), BookColumns()).compile("pages desc, subtitle")
    everything = walk(held, order, 10)
    seen: list[object] = []
    position: Position | None = None
    for step in itertools.count():
        found = page(held, order, position, 7)
        if not found:
            break
        seen += [row[0] for row in found]
        position = found[-1][1:]  # type: ignore[assignment] # What SQLite returns.
        held.connection.execute('DELETE FROM book WHERE "id" = ?', (seen[-1],))
        columns = '"id", "publisher", "book", "pages"'
        held.connection.execute(f"INSERT INTO book ({columns}) VALUES (?, 'new', ?, ?)", (1_000 + step, f"n{step}", (-1) ** step * 2**31))
    assert [number for number in seen if number < 1_000] == everything  # type: ignore[operator] # Ids.


def test_a_fixed_parent_leaves_its_ids_out_of_the_order() -> None:
    order = OrderCompiler(book(), BookColumns(), fixed_keys=1).compile("pages")
    assert [key.field.path if key.field else None for key in order.keys] == ["pages", None]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("", "name"),
        ("  ", "name"),
        (" pages   desc ,title ", "pages desc,title asc"),
        ("name, pages desc", "name"),
        ("pages desc, name, title", "pages desc, name"),
        ("pages desc", "pages desc, name desc"),
    ],
)
def test_two_spellings_are_one_order(text: str, same: str) -> None:
    one, other = COMPILER.compile(text), COMPILER.compile(same)
    assert one.shape == other.shape
    assert walk(books(), one, 11) == walk(books(), other, 11)


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("titel", "column 1: the resource 'book' has no field 'titel'; did you mean 'title'?\n  titel\n  ^"),
        ("title, address.town", "column 16: 'address' has no field 'town'.\n  title, address.town\n                 ^"),
        ("title DESC", "column 7: desc, asc or ',' is expected here, not 'DESC'."),
        ("title desc asc", "column 12: ',' is expected here."),
        ("title,", "column 7: a field is expected here."),
        (",title", "column 1: a field is expected here."),
        ("title,,pages", "column 7: a field is expected here."),
        ("pages, title, pages desc", "column 15: 'pages' stands here for the second time."),
        ("address", "column 1: 'address' cannot be sorted by."),
        ("tags", "column 1: 'tags' cannot be sorted by."),
        ("labels", "column 1: 'labels' cannot be sorted by."),
        ("labels.env", "column 1: 'labels.env' cannot be sorted by."),
        ("parts.title", "column 1: 'parts.title' cannot be sorted by."),
        ("extra", "column 1: 'extra' cannot be sorted by."),
        ("cover", "column 1: 'cover' cannot be sorted by."),
        ("secret", "column 1: 'secret' cannot be sorted by."),
        ("password", "column 1: 'password' cannot be sorted by."),
        ("etag", "column 1: 'etag' cannot be sorted by: it is made when the resource is read."),
        ("author.name", "column 1: 'author' names a resource that is not stored here: its fields cannot be sorted by."),
        ("title; DROP TABLE book", "column 8: desc, asc or ',' is expected here, not 'DROP'."),
        ("address.", "column 9: 'address' has no field ''."),
        ("title, title desc", "column 8: 'title' stands here for the second time."),
        ("a, " * 9 + "a", "column 25: there are more than 8 fields."),
        ("x" * (limits.ORDER_CHARACTERS_MAX + 1), "longer than 2048 characters"),
        ("a" + " " * 2_000 + "b", "expected here, not 'b'"),
    ],
)
def test_an_order_that_cannot_be_used_is_refused_with_its_place(text: str, description: str) -> None:
    with pytest.raises(Fault) as caught:
        OrderCompiler(book(), BookColumns()).compile(text)
    fault = caught.value
    assert (fault.code, fault.reason) == (Code.INVALID_ARGUMENT, Reason.INVALID_ORDER_BY)
    assert [violation.field for violation in fault.violations] == ["order_by"]
    assert description in fault.violations[0].description


@settings(max_examples=500)
@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["title", "pages", "desc", "asc", ",", " ", ".", "address", "city"]), max_size=9).map("".join)
)
def test_any_text_is_an_order_or_refused(text: str) -> None:
    try:
        COMPILER.compile(text)
    except Fault as fault:
        assert fault.reason == Reason.INVALID_ORDER_BY  # noqa: PT017 - refusing is one of two right answers.


@pytest.mark.parametrize(
    "position",
    [(), (1,), (1, "a", "b", "c"), ("1", "p", "b"), (None, "p", "b"), (1, 2, "b"), (1.5, "p", "b"), (1, None, "b"), (1, b"p", "b")],
)
def test_a_position_of_another_contract_is_refused(position: Position) -> None:
    order = COMPILER.compile("pages")
    with pytest.raises(Fault) as caught:
        order.after(position)
    assert (caught.value.reason, caught.value.violations[0].field) == (Reason.INVALID_PAGE_TOKEN, "page_token")


def test_equal_shapes_of_one_order_make_equal_sql() -> None:
    for text in ("subtitle desc, pages", "subtitle, pages desc", "pages", "editor desc"):
        order = OrderCompiler(book(), BookColumns()).compile(text)
        seen: dict[str, set[str]] = {}
        for row in page(books(), order, None, 120):
            after = order.after(row[1:])  # type: ignore[arg-type] # What SQLite returns.
            sql, params = order.page(books().select(), after, limit(5)).sql()
            seen.setdefault(after.shape, set()).add(sql)
            assert {param.name for param in params if hasattr(param, "name")} <= set(after.values)
        assert all(len(texts) == 1 for texts in seen.values())


# Cost


@cache
def many() -> Books:
    """20,000 rows of one publisher; nine in ten have 5 pages, half have no views."""
    rows: list[Row] = []
    for number in range(20_000):
        row: Row = {
            "name": f"publishers/p/books/b{(number * 7919) % 20_000:06d}",
            "pages": 5 if number % 10 else number % 100,
            "stock": number * 31 % 20_011,
        }
        rows.append(row | ({"views": number % 500} if number % 2 else {}))
    return Books(rows, ['"publisher", "pages"', '"publisher", "stock"', '"publisher", "views"'])


def steps(held: Books, run: Callable[[], object]) -> int:
    """Hundreds of SQLite virtual machine instructions that a call takes: a cost without noise."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    held.connection.set_progress_handler(tick, 100)
    run()
    held.connection.set_progress_handler(None, 100)
    return count


@pytest.mark.parametrize("text", ["pages", "pages desc", "stock", "stock desc", "views", "views desc", "", "name desc"])
def test_a_page_costs_the_same_at_every_depth(text: str) -> None:
    held = many()
    order = OrderCompiler(book(), held.columns, fixed_keys=1).compile(text)
    keys = [key.node.alias(f"key_{i}") for i, key in enumerate(order.keys)]  # type: ignore[attr-defined] # Entities.
    select = held.select("id").select_extend(*keys).where(equals(held.columns.column("publisher"), "p"))
    everything = held.run(select.order_by(*order.order_by()), {})
    first = steps(held, lambda: held.run(order.page(select, None, limit(50)), {}))
    for depth in (10, 3_000, 9_990, 10_010, 15_000, 19_900):
        after = order.after(everything[depth][1:])  # type: ignore[arg-type] # What SQLite returns.
        query, values = order.page(select, after, limit(50)), dict(after.values)
        assert [row[0] for row in held.run(query, values)] == [row[0] for row in everything[depth + 1 : depth + 51]]
        assert steps(held, lambda query=query, values=values: held.run(query, values)) < first + 100  # type: ignore[misc] # Bound now.
        assert "SCAN book" not in held.plan(query, values)
        assert len(after.ranges) > 1 or "TEMP B-TREE" not in held.plan(query, values)  # Several ranges: each part is sorted, 50 rows.


def test_the_sortable_fields_of_the_test_are_all_that_there_are() -> None:
    """So that a new kind is not forgotten above: whatever has a pool of plain values can be sorted by."""
    plain = {field.path for field in all_fields() if field.path in POOLS and not isinstance(POOLS[field.path][0], (list, dict, bytes))}
    assert plain - {"extra"} <= set(SORTABLE)
    assert any(field.presence is Presence.EXPLICIT for field in all_fields() if field.path in SORTABLE)

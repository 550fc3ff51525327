"""What group_by, aggregates and order_by may say, and how a mistake in them is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protoplane.base import limits
from protoplane.base.errors import Fault
from protoplane.query.aggregate import Function, Grouping, read_grouping, read_term
from protoplane.query.caret import Misread
from tests.query.library import BookColumns

COLUMNS = BookColumns()


def names(grouping: Grouping) -> list[str]:
    return [output.name for output in grouping.outputs]


def test_values_have_the_names_that_are_given_and_else_those_of_function_and_field() -> None:
    made = read_grouping(
        COLUMNS, ["author", "address.city", "month(publish_time) as m"], ["count()", "count(tags)", " avg( pages )as mean"]
    )
    assert names(made) == ["author", "address_city", "m", "count", "count_tags", "mean"]
    assert [output.function for output in made.aggregates] == [Function.COUNT, Function.COUNT, Function.AVG]
    assert names(read_grouping(COLUMNS, [], [])) == ["count"]


MISTAKES: dict[str, tuple[str, str, str, int]] = {
    "an unknown field": ("group_by", "titel", "did you mean 'title'?", 0),
    "an unknown field of a message": ("group_by", "address.town", "'address' has no field 'town'", 8),
    "a message": ("group_by", "address", "'address' cannot be grouped by", 0),
    "bytes": ("group_by", "cover", "'cover' cannot be grouped by", 0),
    "a repeated field": ("group_by", "tags", "'tags' holds many values; only count takes it", 0),
    "a field of a map": ("aggregates", "count(labels.env)", "no fields inside 'labels'", 13),
    "an aggregate for a key": ("group_by", "sum(pages)", "no function 'sum' here", 0),
    "a key for an aggregate": ("aggregates", "pages", "one of count, count_distinct, sum, avg, min, max is expected here", 0),
    "an unknown function": ("aggregates", "averag(pages)", "did you mean 'avg'?", 0),
    "a bucket of what is no time": ("group_by", "month(pages)", "'pages' is not a Timestamp", 6),
    "a sum of texts": ("aggregates", "sum(title)", "'title' is neither a number nor a Duration", 4),
    "a sum of times": ("aggregates", "sum(publish_time)", "is neither a number nor a Duration", 4),
    "the least name": ("aggregates", "min(author)", "'author' holds the name of a resource", 4),
    "the greatest enum": ("aggregates", "max(state)", "'state' is neither a number, a time", 4),
    "a sum of nothing": ("aggregates", "sum()", "a field is expected here", 4),
    "nothing": ("group_by", " ", "a field or a function is expected here", 1),
    "an open parenthesis": ("aggregates", "sum(pages", "')' is expected here", 9),
    "two fields": ("aggregates", "sum(pages views)", "')' is expected here", 10),
    "more behind it": ("group_by", "title desc", "but 'as' and a name", 6),
    "a name in capitals": ("group_by", "title as Title", "a name of a-z", 9),
    "a name with a dot": ("group_by", "title as a.b", "a name of a-z", 9),
    "an empty name": ("group_by", "title as", "but 'as' and a name", 6),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_shown_with_a_caret_under_its_place(what: str) -> None:
    argument, text, problem, offset = MISTAKES[what]
    with pytest.raises(Fault) as caught:
        read_grouping(COLUMNS, [text] if argument == "group_by" else [], [text] if argument == "aggregates" else [])
    (violation,) = caught.value.violations
    assert (caught.value.reason, violation.field) == ("INVALID_AGGREGATE", f"{argument}[0]")
    assert problem in violation.description
    assert violation.description.splitlines()[-1] == "  " + " " * offset + "^"


def test_no_two_values_have_one_name() -> None:
    for group_by, aggregates, argument in (
        (["title", "title"], [], "group_by[1]"),
        (["title as count"], ["count()"], "aggregates[0]"),
        (["title"], ["sum(pages) as x", "sum(views) as x"], "aggregates[1]"),
    ):
        with pytest.raises(Fault, match="taken already") as caught:
            read_grouping(COLUMNS, group_by, aggregates)
        assert caught.value.violations[0].field == argument


def test_there_are_bounds_on_how_many_and_how_long() -> None:
    keys = [f"title as k{i}" for i in range(limits.GROUP_KEYS_MAX)]
    sums = [f"sum(pages) as a{i}" for i in range(limits.AGGREGATES_MAX)]
    assert len(read_grouping(COLUMNS, keys, sums).outputs) == limits.GROUP_KEYS_MAX + limits.AGGREGATES_MAX
    for group_by, aggregates, argument in (([*keys, "views"], [], "group_by"), ([], [*sums, "count()"], "aggregates")):
        with pytest.raises(Fault, match="is the most") as caught:
            read_grouping(COLUMNS, group_by, aggregates)
        assert caught.value.violations[0].field == argument
    with pytest.raises(Fault, match="longer than"):
        read_grouping(COLUMNS, ["x" * (limits.AGGREGATE_TERM_CHARACTERS_MAX + 1)], [])


@given(text=st.text(alphabet="abct_. ()as,🙂\n", max_size=40))
def test_any_text_is_read_or_refused_at_a_place_within_it(text: str) -> None:
    try:
        term = read_term(text)
    except Misread as misread:
        places = [misread.offset]
    else:
        places = [term.path_offset, term.function_offset, term.name_offset]
        assert text[term.path_offset :].startswith(term.path)
    assert all(0 <= place <= len(text) for place in places)

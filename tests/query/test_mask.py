"""Field masks: the laws of AIP-134 and AIP-161, and what each kind of path does to a message."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from protoplane.base import limits
from protoplane.base.errors import Code, Fault, Reason
from protoplane.query.mask import compile_mask, parse_path
from tests.query.library import book

EMPTY = book().message_class()


def message(text: str = "") -> Message:
    return text_format.Parse(text, book().message_class())


def updated(stored: str, given: str, *paths: str) -> Message:
    merged, request = message(stored), message(given)
    compile_mask(paths, book(), request).apply(merged, request)
    return merged


def copy(source: Message) -> Message:
    result = type(source)()
    result.CopyFrom(source)
    return result


# Laws

WORDS = st.sampled_from(["", "a", "b", "ä"])
SMALL = st.integers(-2, 2)


@st.composite
def messages(draw: st.DrawFn) -> Message:  # noqa: C901 - a list of fields.
    """A book with some fields set, at every level."""
    made: Any = book().message_class()
    plain = {
        "title": WORDS,
        "pages": SMALL,
        "ratio": st.sampled_from([0.0, 1.5]),
        "state": st.integers(0, 2),
        "active": st.booleans(),
        "author": WORDS,
    }
    optional = {"subtitle": WORDS, "views": SMALL, "editor": WORDS}
    for name, values in plain.items():
        setattr(made, name, draw(values))
    for name, values in optional.items():
        if draw(st.booleans()):
            setattr(made, name, draw(values))
    if draw(st.booleans()):
        made.rank.value = draw(SMALL)
    if draw(st.booleans()):
        made.publish_time.seconds = draw(SMALL)
    medium = draw(st.sampled_from(["", "paper", "megabytes"]))
    if medium:
        setattr(made, medium, draw(WORDS if medium == "paper" else SMALL))
    made.tags.extend(draw(st.lists(WORDS, max_size=2)))
    made.labels.update(draw(st.dictionaries(st.sampled_from(["en", "a b"]), WORDS)))
    made.counts.update(draw(st.dictionaries(st.sampled_from([-1, 1]), SMALL)))
    for key in draw(st.sets(st.sampled_from(["x", "y"]))):
        made.pieces[key].title = draw(WORDS)
        made.pieces[key].pages = draw(SMALL)
    if draw(st.booleans()):
        made.address.SetInParent()
        made.address.city = draw(WORDS)
        if draw(st.booleans()):
            made.address.zip = draw(SMALL)
        if draw(st.booleans()):
            made.address.point.x = draw(st.sampled_from([0.0, 2.5]))
        made.address.lines.extend(draw(st.lists(WORDS, max_size=2)))
    return made  # type: ignore[no-any-return] # A Message.


PATHS = [
    "title",
    "pages",
    "ratio",
    "state",
    "active",
    "author",
    "subtitle",
    "views",
    "editor",
    "rank",
    "publish_time",
    "paper",
    "megabytes",
    "tags",
]
PATHS += [
    "labels",
    "labels.en",
    "labels.`a b`",
    "counts",
    "counts.1",
    "counts.-1",
    "pieces",
    "pieces.x",
    "pieces.x.title",
    "pieces.y.pages",
]
PATHS += ["address", "address.city", "address.zip", "address.point", "address.point.x", "address.lines"]
MASKS = st.lists(st.sampled_from(PATHS), min_size=1, max_size=5) | st.just(["*"])


def read(source: Any, paths: Sequence[str]) -> Message:
    """What a read with the mask returns: the named parts alone. The oracle for the laws: one path at a time, no trie."""
    if list(paths) == ["*"]:
        return copy(source)
    result: Message = type(source)()
    for path in paths:
        copy_path([part for part, _ in parse_path(path)], source, result)
    return result


def copy_path(parts: list[str], source: Any, target: Any) -> None:
    name, rest = parts[0], parts[1:]
    field = source.DESCRIPTOR.fields_by_name[name]
    value, kept = getattr(source, name), getattr(target, name)
    if field.is_repeated and not rest:
        target.ClearField(name)
        getattr(target, name).MergeFrom(value)
    elif field.is_repeated:
        key = int(rest[0]) if name == "counts" else rest[0]
        if key in value and name == "pieces":
            copy_path(rest[1:], value[key], kept[key]) if rest[1:] else kept[key].CopyFrom(value[key])
        elif key in value:
            kept[key] = value[key]
    elif field.message_type is not None and source.HasField(name):
        kept.SetInParent()
        copy_path(rest, value, kept) if rest else kept.CopyFrom(value)
    elif field.message_type is None and (not field.has_presence or source.HasField(name)):
        setattr(target, name, value)


@settings(max_examples=400)
@given(messages(), MASKS)
def test_reading_with_a_mask_and_updating_with_it_changes_nothing(stored: Message, paths: list[str]) -> None:
    merged, request = copy(stored), read(stored, paths)
    compile_mask(paths, book(), request).apply(merged, request)
    assert merged == stored


@settings(max_examples=400)
@given(messages(), messages(), MASKS)
def test_updating_with_a_mask_and_reading_with_it_returns_what_was_given(stored: Message, request: Message, paths: list[str]) -> None:
    merged = copy(stored)
    compile_mask(paths, book(), request).apply(merged, request)
    assert without_empty(read(merged, paths)) == without_empty(read(request, paths))


@settings(max_examples=400)
@given(messages(), messages(), MASKS)
def test_an_update_leaves_what_its_mask_does_not_name(stored: Message, request: Message, paths: list[str]) -> None:
    merged = copy(stored)
    compile_mask(paths, book(), request).apply(merged, request)
    assert without_empty(rest_of(merged, paths)) == without_empty(rest_of(stored, paths))


@settings(max_examples=400)
@given(messages(), messages(), MASKS)
def test_the_same_update_twice_is_the_update_once(stored: Message, request: Message, paths: list[str]) -> None:
    once = copy(stored)
    compile_mask(paths, book(), request).apply(once, request)
    twice = copy(once)
    compile_mask(paths, book(), request).apply(twice, request)
    assert once == twice


@settings(max_examples=200)
@given(messages(), messages(), st.permutations(PATHS).map(lambda paths: paths[:6]))
def test_the_order_and_repetition_of_paths_mean_nothing(stored: Message, request: Message, paths: list[str]) -> None:
    one, other = copy(stored), copy(stored)
    compile_mask(paths, book(), request).apply(one, request)
    compile_mask([*reversed(paths), *paths], book(), request).apply(other, request)
    assert one == other


@settings(max_examples=300)
@given(messages(), messages())
def test_no_mask_sets_what_is_populated_and_clears_nothing(stored: Message, request: Message) -> None:
    merged = copy(stored)
    compile_mask([], book(), request).apply(merged, request)
    expected = copy(stored)
    for field, _ in request.ListFields():
        if field.is_repeated or field.name in ("publish_time", "rank"):
            expected.ClearField(field.name)
    if request.HasField("address") and request.address.lines:  # type: ignore[attr-defined] # A dynamic message.
        expected.address.ClearField("lines")  # type: ignore[attr-defined] # A dynamic message.
    expected.MergeFrom(request)  # Protobuf's own merge, which joins repeated fields, maps and times: cleared above.
    assert merged == expected


@settings(max_examples=200)
@given(messages(), messages())
def test_a_star_replaces_everything(stored: Message, request: Message) -> None:
    compile_mask(["*"], book(), request).apply(stored, request)
    assert stored == request


def without_empty(source: Any) -> Message:
    """Without messages that hold nothing: a path below a message says little about the message being there."""
    for field, value in list(source.ListFields()):
        if field.is_repeated and field.message_type is not None and field.message_type.GetOptions().map_entry:
            for key in [key for key in value if not isinstance(value[key], (str, int)) and not value[key].ListFields()]:
                del value[key]
        elif field.message_type is not None and not field.is_repeated and field.message_type.full_name.startswith("library."):
            without_empty(value)
            if not value.ListFields():
                source.ClearField(field.name)
    return source  # type: ignore[no-any-return] # A Message.


def rest_of(source: Message, paths: Sequence[str]) -> Message:
    """The message without what the paths name, and without oneof members that another member pushed out."""
    result = type(source)() if list(paths) == ["*"] else copy(source)
    for path in paths:
        clear_path([part for part, _ in parse_path(path)], result) if path != "*" else None
    if {"paper", "megabytes"} & set(paths):
        clear_path(["paper"], result)
        clear_path(["megabytes"], result)
    return result


def clear_path(parts: list[str], target: Any) -> None:
    name, rest = parts[0], parts[1:]
    field = target.DESCRIPTOR.fields_by_name[name]
    if not rest:
        target.ClearField(name)
    elif field.is_repeated:
        key = int(rest[0]) if name == "counts" else rest[0]
        if key in getattr(target, name):
            clear_path(rest[1:], getattr(target, name)[key]) if rest[1:] else getattr(target, name).pop(key)
    elif target.HasField(name):
        clear_path(rest, getattr(target, name))


# Cases


@pytest.mark.parametrize(
    ("stored", "given", "paths", "merged"),
    [
        ('title: "a" pages: 1', 'title: "b"', ["title"], 'title: "b" pages: 1'),
        ('title: "a" pages: 1', "", ["title"], "pages: 1"),
        ('title: "a" pages: 1', 'title: "b"', ["*"], 'title: "b"'),
        ('title: "a" pages: 1', "pages: 2", [], 'title: "a" pages: 2'),
        ('subtitle: "a"', 'subtitle: ""', ["subtitle"], 'subtitle: ""'),
        ('subtitle: "a"', "", ["subtitle"], ""),
        ('subtitle: "a"', 'subtitle: ""', [], 'subtitle: ""'),
        ('title: "a"', 'title: ""', [], 'title: "a"'),
        ('address { city: "a" zip: 1 }', 'address { city: "b" }', ["address"], 'address { city: "b" }'),
        ('address { city: "a" zip: 1 }', 'address { city: "b" }', ["address.city"], 'address { city: "b" zip: 1 }'),
        ('address { city: "a" zip: 1 }', 'address { city: "b" }', [], 'address { city: "b" zip: 1 }'),
        ('address { city: "a" zip: 1 }', "address { }", [], 'address { city: "a" zip: 1 }'),
        ("", "address { }", [], "address { }"),
        ('address { city: "a" }', "", ["address.city"], "address { }"),
        ("", "", ["address.city"], ""),
        ("", 'address { city: "b" }', ["address.city"], 'address { city: "b" }'),
        ('address { city: "a" }', "", ["address"], ""),
        ('address { city: "a" zip: 1 }', 'address { city: "b" }', ["address", "address.city"], 'address { city: "b" }'),
        ('tags: "a" tags: "b"', 'tags: "c"', ["tags"], 'tags: "c"'),
        ('tags: "a"', "", ["tags"], ""),
        ('labels { key: "en" value: "a" } labels { key: "de" value: "b" }', 'labels { key: "en" value: "c" }', ["labels"], 'labels { key: "en" value: "c" }'),
        ('labels { key: "en" value: "a" } labels { key: "de" value: "b" }', "", ["labels.en"], 'labels { key: "de" value: "b" }'),
        ('labels { key: "a b" value: "a" }', 'labels { key: "a b" value: "c" }', ["labels.`a b`"], 'labels { key: "a b" value: "c" }'),
        ('labels { key: "a`.b" value: "a" }', "", ["labels.`a``.b`"], ""),
        ("counts { key: -1 value: 5 }", "counts { key: -1 value: 6 }", ["counts.-1"], "counts { key: -1 value: 6 }"),
        ('pieces { key: "x" value { title: "a" pages: 1 } }', 'pieces { key: "x" value { pages: 2 } }', ["pieces.x.pages"], 'pieces { key: "x" value { title: "a" pages: 2 } }'),
        ('pieces { key: "x" value { title: "a" pages: 1 } }', 'pieces { key: "x" value { pages: 2 } }', ["pieces.x"], 'pieces { key: "x" value { pages: 2 } }'),
        ("", "", ["pieces.x.pages"], ""),
        ('paper: "a"', "megabytes: 1", ["megabytes"], "megabytes: 1"),
        ('paper: "a"', "megabytes: 1", ["paper"], ""),
        ('paper: "a"', "megabytes: 1", ["paper", "megabytes"], "megabytes: 1"),
        ('paper: "a"', 'paper: "b" title: "t"', ["title"], 'paper: "a" title: "t"'),
        ("rank { value: 1 }", "rank { }", ["rank"], "rank { }"),
        ("publish_time { seconds: 1 nanos: 2 }", "publish_time { seconds: 3 }", ["publish_time"], "publish_time { seconds: 3 }"),
        ("publish_time { seconds: 1 nanos: 2 }", "publish_time { seconds: 3 }", [], "publish_time { seconds: 3 }"),
        # What the server fills stays, however it is named.
        ('name: "n" create_time { seconds: 1 } title: "a"', 'name: "x" create_time { seconds: 9 } title: "b"', ["*"], 'name: "n" create_time { seconds: 1 } title: "b"'),
        ("create_time { seconds: 1 }", "create_time { seconds: 9 }", ["create_time"], "create_time { seconds: 1 }"),
        ("create_time { seconds: 1 }", "", ["create_time"], "create_time { seconds: 1 }"),
        ('address { city: "a" checked_by: "me" }', 'address { city: "b" checked_by: "you" }', ["address"], 'address { city: "b" checked_by: "me" }'),
        ('address { city: "a" checked_by: "me" }', "", ["address"], 'address { checked_by: "me" }'),
        ('address { city: "a" checked_by: "me" }', "", ["*"], 'address { checked_by: "me" }'),
        ('address { city: "a" checked_by: "me" }', 'address { checked_by: "you" }', ["address.checked_by"], 'address { city: "a" checked_by: "me" }'),
        # What was set for good may be given again, or left out.
        ('isbn: "1" title: "a"', 'isbn: "1" title: "b"', ["*"], 'isbn: "1" title: "b"'),
        ('isbn: "1" title: "a"', 'title: "b"', ["*"], 'isbn: "1" title: "b"'),
        ('isbn: "1"', 'isbn: "1"', ["isbn"], 'isbn: "1"'),
        ('edition { number: 1 series: "s" }', 'edition { number: 1 series: "s" }', ["*"], 'edition { number: 1 series: "s" }'),
        ('edition { number: 1 series: "s" }', "edition { number: 1 }", [], 'edition { number: 1 series: "s" }'),
        ('edition { number: 1 series: "s" }', "edition { number: 1 }", ["edition.number"], 'edition { number: 1 series: "s" }'),
        ("edition { number: 1 }", "", ["*"], "edition { number: 1 }"),
    ],
)  # fmt: skip
def test_an_update_merges(stored: str, given: str, paths: list[str], merged: str) -> None:
    assert updated(stored, given, *paths) == message(merged)


@pytest.mark.parametrize(
    ("stored", "given", "paths", "fields"),
    [
        ('isbn: "1"', 'isbn: "2"', ["*"], ["book.isbn"]),
        ('isbn: "1"', 'isbn: "2"', ["isbn"], ["book.isbn"]),
        ('isbn: "1"', 'isbn: "2"', [], ["book.isbn"]),
        ('isbn: "1"', "", ["isbn"], ["book.isbn"]),
        ('isbn: "1" edition { number: 1 }', 'isbn: "2" edition { number: 2 }', ["*"], ["book.isbn", "book.edition"]),
        ("edition { number: 1 }", "edition { number: 2 }", ["edition.number"], ["book.edition"]),
        ("edition { number: 1 }", "", ["edition"], ["book.edition"]),
        ("", "edition { }", ["edition"], ["book.edition"]),
    ],
)
def test_an_immutable_field_is_not_changed(stored: str, given: str, paths: list[str], fields: list[str]) -> None:
    request = message(given)
    with pytest.raises(Fault) as caught:
        compile_mask(paths, book(), request).apply(message(stored), request, prefix="book.")
    assert (caught.value.code, caught.value.reason) == (Code.INVALID_ARGUMENT, Reason.INVALID_FIELDS)
    assert [violation.field for violation in caught.value.violations] == fields
    assert {violation.reason for violation in caught.value.violations} == {"IMMUTABLE"}


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("titel", "the resource 'book' has no field 'titel'; did you mean 'title'?"),
        ("address.town", "'address' has no field 'town'"),
        ("address.cit", "'address' has no field 'cit'; did you mean 'city'?"),
        ("title.x", "'title' has no fields that a mask can name."),
        ("publish_time.seconds", "'publish_time' has no fields"),
        ("extra.fields", "'extra' has no fields"),
        ("rank.value", "'rank' has no fields"),
        ("tags.0", "'tags' is repeated: it is replaced as a whole, its elements have no paths."),
        ("parts.0.title", "'parts' is repeated"),
        ("parts.title", "'parts' is repeated"),
        ("tags[0]", "the resource 'book' has no field 'tags[0]'"),
        ("labels.en.x", "'labels' has no fields"),
        ("labels.*", "'*' stands for all fields only alone"),
        ("pieces.x.town", "'pieces' has no field 'town'"),
        ("pieces.*.title", "'*' stands for all fields only alone"),
        ("counts.x", "'x' is no key of the map 'counts', whose keys are int32."),
        ("counts.01", "'01' is no key"),
        ("counts.2147483648", "'2147483648' is no key"),
        ("address.*", "'address' has no field '*'"),
        ("", "a part of it is empty."),
        (".", "a part of it is empty."),
        ("address.", "a part of it is empty."),
        ("address..city", "a part of it is empty."),
        (".title", "a part of it is empty."),
        ("labels.`en", "this backtick is never closed."),
        ("labels.`en`x", "its parts are joined by dots."),
        ("Title", "has no field 'Title'; did you mean 'title'?"),
        ("a" * 1_000, "has no field 'aaa"),
        ("a" * 1_025, "it is longer than 1024 characters."),
    ],
)
def test_a_path_that_names_nothing_is_refused(path: str, problem: str) -> None:
    with pytest.raises(Fault) as caught:
        compile_mask(["title", path], book(), EMPTY)
    fault = caught.value
    assert (fault.code, fault.reason) == (Code.INVALID_ARGUMENT, Reason.INVALID_FIELD_MASK)
    assert [violation.field for violation in fault.violations] == ["update_mask"]
    assert problem in fault.violations[0].description
    assert len(fault.violations[0].description) < 700


def test_a_star_stands_alone() -> None:
    with pytest.raises(Fault, match="stands alone"):
        compile_mask(["title", "*"], book(), EMPTY)


def test_the_number_of_paths_is_bounded() -> None:
    compile_mask(["title"] * limits.MASK_PATHS_MAX, book(), EMPTY)
    with pytest.raises(Fault, match="at most 256 paths, this one has 257"):
        compile_mask(["title"] * (limits.MASK_PATHS_MAX + 1), book(), EMPTY)


@pytest.mark.parametrize("path", ["a." * 100_000, "`" * 200_001, "address." * 50_000 + "city", "labels." + "`" * 100_000])
def test_a_hostile_path_is_answered_quickly(path: str) -> None:
    started = time.perf_counter()
    with pytest.raises(Fault):
        compile_mask([path], book(), EMPTY)
    assert time.perf_counter() - started < 0.1


@settings(max_examples=500)
@given(st.lists(st.text(max_size=30) | st.lists(st.sampled_from([*PATHS, ".", "`", "*", "``", "x"]), max_size=4).map("".join), max_size=4))
def test_any_paths_make_a_mask_or_are_refused(paths: list[str]) -> None:
    request = message('title: "a" address { city: "b" }')
    try:
        compile_mask(paths, book(), request).apply(copy(EMPTY), request)
    except Fault as fault:
        assert fault.reason in (Reason.INVALID_FIELD_MASK, Reason.INVALID_FIELDS)  # noqa: PT017 - refusing is one of two right answers.


@pytest.mark.parametrize(
    ("mask", "path", "named"),
    [
        (["*"], "title", True),
        (["title"], "title", True),
        (["pages"], "title", False),
        (["address"], "address.city", True),
        (["address.city"], "address", True),
        (["address.city"], "address.street", False),
    ],
)
def test_a_mask_names_what_is_around_and_below_its_paths(mask: list[str], path: str, named: bool) -> None:
    assert compile_mask(mask, book(), EMPTY).names(path) is named


def test_a_value_that_equals_itself_in_no_way_is_still_merged() -> None:
    assert math.isnan(updated("", "ratio: nan", "ratio").ratio)  # type: ignore[attr-defined] # A dynamic message.

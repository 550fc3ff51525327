"""B13: circles, depth, width, everybody with an exception under a condition, the same twice; and answers of before are never those of now."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.door.client import Door, Refused, code_of
from tests.door.conftest import Serve
from tests.door.service import Service
from tests.door.vault import VAULT, pb
from tests.door.workspace import Office, access_door, tuples
from tests.door.workspace import pb as workspace_pb

DEPTH, DEPTH_TOO_MUCH = 20, 150
WIDTH = 2_000
SECONDS_MAX = 5.0
"""For any question here: the deadline of its call."""

Refuse = Callable[..., Refused]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def vault(serve: Serve) -> Service:
    """The vault."""
    return serve(VAULT)


@pytest.fixture
def maker(vault: Service) -> Iterator[Door]:
    """Who makes boxes."""
    with vault.calls("maker") as door:
        yield door


@pytest.fixture
def bob(vault: Service) -> Iterator[Door]:
    """Who would open them."""
    with closing(vault.door("bob")) as door:
        yield door


@pytest.fixture
def access(vault: Service) -> Iterator[Door]:
    """Tuples of the vault."""
    with closing(access_door(vault)) as door:
        yield door


def chain(maker: Door, length: int) -> list[str]:
    """Boxes, each in the one after it."""
    new = f"c{next(_numbers)}"
    requests = [{"box_id": f"{new}-{i}", "box": {"outer_box": f"boxes/{new}-{i + 1}" if i + 1 < length else ""}} for i in range(length)]
    return [one.name for one in maker.BatchCreateBoxes(requests=requests[::-1]).boxes][::-1]


def opened(door: Door, name: str) -> str:
    return code_of(lambda: door.GetBox(name=name, seconds=SECONDS_MAX))


def test_b13_boxes_in_a_circle_are_right_and_end(maker: Door, bob: Door, access: Door) -> None:
    names = chain(maker, 5)
    maker.UpdateBox(box=pb.Box(name=names[-1], outer_box=names[0]))
    assert {opened(bob, name) for name in names} == {"PERMISSION_DENIED"}
    access.WriteRelations(writes=tuples(f"{names[2]}#opener@users/bob", f"{names[4]}#banned@users/bob"))
    assert [opened(bob, name) for name in names] == ["OK", "OK", "OK", "PERMISSION_DENIED", "PERMISSION_DENIED"]
    listed = [one.name for one in bob.ListBoxes(page_size=1000, seconds=SECONDS_MAX).boxes]
    assert [name in listed for name in names] == [True, True, True, False, False]


def test_b13_usersets_in_a_circle_are_right_and_end(maker: Door, bob: Door, access: Door) -> None:
    one, two, three = chain(maker, 1) + chain(maker, 1) + chain(maker, 1)
    access.WriteRelations(writes=tuples(f"{one}#opener@{two}#opener", f"{two}#opener@{three}#opener", f"{three}#opener@{one}#opener"))
    assert {opened(bob, name) for name in (one, two, three)} == {"PERMISSION_DENIED"}
    access.WriteRelations(writes=tuples(f"{three}#opener@users/bob"))
    assert {opened(bob, name) for name in (one, two, three)} == {"OK"}


def test_b13_what_depends_on_its_own_denial_is_denied(maker: Door, bob: Door, access: Door) -> None:
    (name,) = chain(maker, 1)
    access.WriteRelations(writes=tuples(f"{name}#opener@users/bob", f"{name}#banned@{name}#opener"))
    assert opened(bob, name) == "PERMISSION_DENIED"


def test_b13_deep_boxes_are_right_and_deeper_ones_never_a_wrong_yes(maker: Door, bob: Door, access: Door) -> None:
    for depth in (DEPTH, DEPTH_TOO_MUCH):
        names = chain(maker, depth)
        assert opened(bob, names[0]) in ({"PERMISSION_DENIED"} if depth == DEPTH else {"PERMISSION_DENIED", "RESOURCE_EXHAUSTED"})
        access.WriteRelations(writes=tuples(f"{names[-1]}#opener@users/bob"))
        assert opened(bob, names[0]) in ({"OK"} if depth == DEPTH else {"OK", "RESOURCE_EXHAUSTED"})
        access.WriteRelations(writes=tuples(f"{names[-2]}#banned@users/bob"))
        assert opened(bob, names[0]) in ({"PERMISSION_DENIED"} if depth == DEPTH else {"PERMISSION_DENIED", "RESOURCE_EXHAUSTED"})


def test_b13_many_groups_on_one_folder_are_right(workspace: Service, fresh_id: str) -> None:
    with Office.of(workspace, fresh_id) as office:
        groups = [f"groups/{fresh_id}-{i}" for i in range(WIDTH)]
        for start in range(0, WIDTH, 1000):
            office.give(*(f"{office.folder}#viewer@{group}#member" for group in groups[start : start + 1000]))
        office.give(f"{groups[-1]}#member@users/bob")
        bob, eve = office.door("bob"), office.door("eve")
        assert code_of(lambda: bob.GetDocument(name=office.document, seconds=SECONDS_MAX)) == "OK"
        assert code_of(lambda: eve.GetDocument(name=office.document, seconds=SECONDS_MAX)) == "PERMISSION_DENIED"
        assert [one.name for one in bob.ListDocuments(parent=office.folder, seconds=SECONDS_MAX).documents] == [office.document]


def under(name: str, subject: str, until: str) -> dict[str, Any]:
    """A tuple that counts until then."""
    (plain,) = tuples(f"{name}#opener@{subject}")
    return {**plain, "condition": {"name": "while_open", "context": {"until": until}}}


@pytest.mark.parametrize(
    ("until", "banned", "answer"),
    [
        ("2999-01-01T00:00:00Z", "", "OK"),
        ("2001-01-01T00:00:00Z", "", "PERMISSION_DENIED"),
        ("2999-01-01T00:00:00Z", "users/bob", "PERMISSION_DENIED"),
        ("2999-01-01T00:00:00Z", "users/eve", "OK"),
        ("2999-01-01T00:00:00Z", "users/*", "PERMISSION_DENIED"),
    ],
)
@pytest.mark.parametrize("subject", ["users/*", "users/bob"])
def test_b13_everybody_under_a_condition_but_not_some(
    maker: Door, bob: Door, access: Door, subject: str, until: str, banned: str, answer: str
) -> None:
    inner, outer = chain(maker, 2)
    access.WriteRelations(writes=[under(outer, subject, until), *(tuples(f"{outer}#banned@{banned}") if banned else [])])
    assert [opened(bob, inner), opened(bob, outer)] == [answer, answer]
    assert (inner in [one.name for one in bob.ListBoxes(page_size=1000).boxes]) == (answer == "OK")


def test_b13_a_parameter_that_nobody_says_is_no_yes(maker: Door, bob: Door, access: Door) -> None:
    (name,) = chain(maker, 1)
    (plain,) = tuples(f"{name}#opener@users/bob")
    access.WriteRelations(writes=[{**plain, "condition": {"name": "while_open"}}])
    other = chain(maker, 1)[0]
    access.WriteRelations(writes=tuples(f"{other}#opener@users/bob"))
    assert (opened(bob, name), opened(bob, other)) == ("PERMISSION_DENIED", "OK")
    listed = [one.name for one in bob.ListBoxes(page_size=1000).boxes]
    assert (name in listed, other in listed) == (False, True)
    access.WriteRelations(deletes=[plain])
    assert opened(bob, name) == "PERMISSION_DENIED"


def test_b13_the_same_twice_in_a_batch_is_asked_and_answered_alike(maker: Door, bob: Door, access: Door, refused: Refuse) -> None:
    yes, no = chain(maker, 1) + chain(maker, 1)
    access.WriteRelations(writes=tuples(f"{yes}#opener@users/bob"))
    assert [one.name for one in bob.BatchGetBoxes(names=[yes, yes, yes]).boxes] == [yes] * 3
    assert refused(bob.BatchGetBoxes, names=[yes, no, yes, no]).metadata["resource"] == no
    items = [{"subject": "users/bob", "relation": "opener", "resource": name} for name in (yes, no, yes, no, yes)]
    assert list(access.BatchCheck(items=items).allowed) == [True, False, True, False, True]
    assert refused(access.WriteRelations, writes=tuples(*[f"{no}#opener@users/bob"] * 2)).code == "INVALID_ARGUMENT"
    assert opened(bob, no) == "PERMISSION_DENIED"


def test_b13_no_answer_of_before_is_that_of_now(workspace: Service, fresh_id: str) -> None:
    """Every way in is opened and shut in turn; the next call of the same process knows, as a Get, a List, an Aggregate and a Check."""
    with Office.of(workspace, fresh_id) as office:
        ada, bob, group = office.door("ada"), office.door("bob"), office.group("staff")
        office.give(f"{office.folder}#viewer@{group}#member")
        above = office.folder_in("above")
        office.give(f"{above}#viewer@users/bob")

        def seen() -> set[bool]:
            listed = bob.ListDocuments(parent=office.folder).documents
            counted = bob.AggregateDocuments(parent=office.folder).groups[0].values["count"].int64_value
            asked = {"subject": "users/bob", "relation": "viewer", "resource": office.document}
            got = code_of(lambda: bob.GetDocument(name=office.document)) == "OK"
            return {bool(listed), bool(counted), office.access.Check(**asked).allowed, got}

        def moved(into: str) -> None:
            folder = workspace_pb.Folder(name=office.folder, parent_folder=into)
            ada.UpdateFolder(folder=folder, update_mask={"paths": ["parent_folder"]})

        def owned(by: str) -> None:
            ada.UpdateDocument(document=workspace_pb.Document(name=office.document, owner=by), update_mask={"paths": ["owner"]})

        ways: list[tuple[Callable[[], None], Callable[[], None]]] = [
            (lambda: office.give(f"{group}#member@users/bob"), lambda: office.take(f"{group}#member@users/bob")),
            (lambda: moved(above), lambda: moved("")),
            (lambda: owned("bob"), lambda: owned("")),
            (lambda: office.give(f"{office.document}#reader@users/*"), lambda: office.take(f"{office.document}#reader@users/*")),
        ]
        assert seen() == {False}
        for open_, shut in [*ways, *ways]:
            open_()
            assert seen() == {True}
            office.give(f"{office.document}#banned@users/bob")
            assert seen() == {False}
            office.take(f"{office.document}#banned@users/bob")
            assert seen() == {True}
            shut()
            assert seen() == {False}

"""What a list shows is {x : Check(x)}: for random relations, under every order, filter and size of pages, and while others write."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.door.client import Door, code_of
from tests.door.conftest import Serve
from tests.door.workspace import WORKSPACE, Office, pb

EXAMPLES = int(os.environ.get("PROTOPLANE_TEST_SCOPE_EXAMPLES", "8"))
"""Offices on each engine."""

FOLDERS, DOCUMENTS = ("f0", "f1", "f2", "f3"), 10
USERS = ("bob", "eve")
SUBJECTS = (*(f"users/{user}" for user in USERS), "users/*", "GROUP0#member", "GROUP1#member", "ORGANISATION#admin")
UNTIL = {True: "2120-01-01T00:00:00Z", False: "2020-01-01T00:00:00Z"}

Said = tuple[str, str, str]
"""Of a tuple: what of, the relation, the subject."""


@dataclass(frozen=True)
class Workspace:
    """Folders in one another, documents in them, and who was given what."""

    parents: tuple[int | None, ...]
    """Of each folder the one in which it lies."""
    documents: tuple[tuple[int, int, str, str], ...]
    """Folder, rank, title and owner of each."""
    tuples: frozenset[Said]
    guests: frozenset[tuple[int, str, bool]]
    """Of folders, with whether their condition holds."""
    moves: tuple[tuple[int, int | None], ...]
    """Of folders, once everything has been looked at."""


FOLDER = st.integers(0, len(FOLDERS) - 1)
SAID = st.one_of(
    st.tuples(st.sampled_from(FOLDERS), st.sampled_from(["viewer", "viewer", "editor"]), st.sampled_from(SUBJECTS)),
    st.tuples(
        st.integers(0, DOCUMENTS - 1).map(str),
        st.sampled_from(["reader", "reader", "editor", "author", "banned"]),
        st.sampled_from(SUBJECTS),
    ),
    st.tuples(
        st.sampled_from(["GROUP0", "GROUP1"]),
        st.just("member"),
        st.sampled_from(["users/bob", "users/eve", "GROUP0#member", "GROUP1#member"]),
    ),
).filter(lambda said: admitted(*said))
WORKSPACES = st.builds(
    Workspace,
    st.tuples(*[st.none() | FOLDER for _ in FOLDERS]),
    st.tuples(
        *[st.tuples(FOLDER, st.integers(0, 3), st.sampled_from("aàbB"), st.sampled_from(["", "", "", *USERS])) for _ in range(DOCUMENTS)]
    ),
    st.frozensets(SAID, max_size=9),
    st.frozensets(st.tuples(FOLDER, st.sampled_from(["users/bob", "users/*", "GROUP0#member"]), st.booleans()), max_size=2),
    st.lists(st.tuples(FOLDER, st.none() | FOLDER), max_size=2).map(tuple),
)


def admitted(resource: str, relation: str, subject: str) -> bool:
    """Whether the contract has a place for it."""
    if relation == "member":
        return subject != f"{resource}#member"
    if subject == "users/*":
        return relation in {"viewer", "reader"}
    return subject != "ORGANISATION#admin" and (relation != "author" or subject.startswith("users/"))


ORDERS: dict[str, Callable[[Any], Any]] = {
    "": lambda one: one.name.split("/"),
    "rank": lambda one: (one.rank, one.name.split("/")),
    "title, rank": lambda one: (one.title, one.rank, one.name.split("/")),
    "name": lambda one: one.name.split("/"),
}
FILTERS: dict[str, Callable[[Any], bool]] = {
    "": lambda one: True,
    "rank > 1": lambda one: one.rank > 1,
    'title = "a" OR rank = 0': lambda one: one.title == "a" or one.rank == 0,
    "rank = 9": lambda one: False,
}
WHOLE = (Phase.explicit, Phase.generate)
"""No shrinking: an example is hundreds of calls."""
SIZES = (1, 2, 3, 7, 50)


def everything(call: Callable[..., Any], size: int, part: str, **fields: Any) -> tuple[list[Any], set[int]]:
    """All pages in turn, and what they say of how many there are."""
    found, token, totals = list[Any](), "", set[int]()
    for _ in range(2 * DOCUMENTS + 20):
        page = call(page_size=size, page_token=token, **fields)
        found += getattr(page, part)
        totals.add(getattr(page, "total_size", 0))
        assert len(getattr(page, part)) <= size
        token = page.next_page_token
        if not token:
            return found, totals
    raise AssertionError("no end of pages")


class Look:
    """A workspace made, and looked at through the door."""

    def __init__(self, office: Office, wanted: Workspace) -> None:
        self.office, self.ada = office, office.door("ada")
        self.folders = [office.folder_in(name) for name in FOLDERS]
        self.groups = [office.group("g0"), office.group("g1")]
        for number, parent in enumerate(wanted.parents):
            self.move(number, parent)
        self.names: list[str] = []
        for number, (folder, rank, title, owner) in enumerate(wanted.documents):
            name = office.document_in(self.folders[folder], f"d{number}")
            self.ada.UpdateDocument(document=pb.Document(name=name, rank=rank, title=title, owner=self.user(owner) if owner else ""))
            self.names.append(name)
        written = {(self.resource(what), relation, self.subject(who)) for what, relation, who in wanted.tuples}
        given = [{"resource": what, "relation": relation, "subject": who} for what, relation, who in sorted(written)]
        held = {(self.folders[folder], self.subject(who)): holds for folder, who, holds in sorted(wanted.guests)}
        for (what, who), holds in held.items():
            condition = {"name": "until", "context": {"end": UNTIL[holds]}}
            given.append({"resource": what, "relation": "guest", "subject": who, "condition": condition})  # type: ignore[dict-item]  # A field of two kinds.
        if given:
            office.access.WriteRelations(writes=given)

    def user(self, name: str) -> str:
        """One of this office alone."""
        return f"{self.office.name}-{name}"

    def resource(self, name: str) -> str:
        """The name of a folder, a group or a document."""
        if name in FOLDERS:
            return self.folders[FOLDERS.index(name)]
        return self.groups[int(name[-1])] if name.startswith("GROUP") else self.names[int(name)]

    def subject(self, text: str) -> str:
        """A subject as the service takes it."""
        replaced = (
            text.replace("GROUP0", self.groups[0]).replace("GROUP1", self.groups[1]).replace("ORGANISATION", self.office.organisation)
        )
        return replaced if text == "users/*" else replaced.replace("users/", f"users/{self.office.name}-")

    def move(self, folder: int, parent: int | None) -> None:
        """Put a folder into another one, or at the top."""
        goal = "" if parent is None else self.folders[parent]
        self.ada.UpdateFolder(folder=pb.Folder(name=self.folders[folder], parent_folder=goal), update_mask={"paths": ["parent_folder"]})

    def held(self, subject: str, relation: str, names: Sequence[str]) -> set[str]:
        """{x : Check(x)}."""
        single = [office_check(self.office, subject, relation, name) for name in names]
        items = [{"subject": subject, "relation": relation, "resource": name} for name in names]
        assert list(self.office.access.BatchCheck(items=items).allowed) == single
        return {name for name, allowed in zip(names, single, strict=True) if allowed}

    def compare(self, user: str) -> None:
        """Everything that a user is shown, with what he may see by Check."""
        door, subject = self.office.door(self.user(user)), f"users/{self.user(user)}"
        documents = [self.ada.GetDocument(name=name) for name in self.names]
        seen = self.held(subject, "viewer", self.names)
        assert {name for name in self.names if code_of(lambda name=name: door.GetDocument(name=name)) == "OK"} == seen  # type: ignore[misc]  # Bound now.
        for parent in (f"{self.office.organisation}/folders/-", *self.folders):
            below = [one for one in documents if one.name in seen and (parent.endswith("-") or one.name.startswith(f"{parent}/"))]
            self._lists(door, parent, below)
            self._aggregates(door, parent, below)
        if seen:
            assert [one.name for one in door.BatchGetDocuments(names=sorted(seen)).documents] == sorted(seen)
        for hidden in set(self.names) - seen:
            assert code_of(lambda hidden=hidden: door.BatchGetDocuments(names=[*seen, hidden])) == "PERMISSION_DENIED"  # type: ignore[misc]  # As above.
        names = [self.office.folder, *self.folders]
        shown, _ = everything(door.ListFolders, 2, "folders", parent=self.office.organisation)
        assert [one.name for one in shown] == sorted(self.held(subject, "viewer", names))

    @staticmethod
    def _lists(door: Door, parent: str, below: Sequence[Any]) -> None:
        sizes = itertools.cycle(SIZES)  # Five, and seven orders: each order meets each size, by one filter or the other.
        for (filter_, true), (order, key), descending in itertools.product(FILTERS.items(), ORDERS.items(), (False, True)):
            if (descending and not order) or (not parent.endswith("-") and (filter_ or descending)):
                continue
            terms = ", ".join(f"{term} desc" for term in order.split(", ")) if descending else order
            expected = sorted(filter(true, below), key=key, reverse=descending)
            size = next(sizes)
            found, totals = everything(door.ListDocuments, size, "documents", parent=parent, filter=filter_, order_by=terms)
            assert [one.name for one in found] == [one.name for one in expected], (parent, filter_, terms, size)
            assert totals == {len(expected)}

    @staticmethod
    def _aggregates(door: Door, parent: str, below: Sequence[Any]) -> None:
        for filter_, true in FILTERS.items():
            expected = list(filter(true, below))
            (total,) = door.AggregateDocuments(parent=parent, filter=filter_).groups
            assert total.values["count"].int64_value == len(expected)
            groups = door.AggregateDocuments(parent=parent, filter=filter_, group_by=["rank"], page_size=50).groups
            counted = {group.values["rank"].int64_value: group.values["count"].int64_value for group in groups}
            assert counted == {rank: sum(one.rank == rank for one in expected) for rank in {one.rank for one in expected}}


def office_check(office: Office, subject: str, relation: str, name: str) -> bool:
    return bool(office.access.Check(subject=subject, relation=relation, resource=name).allowed)


@pytest.fixture(scope="module")
def offices(serve: Serve) -> Iterator[Callable[[], Office]]:
    """Offices in a workspace of this module alone: what everybody is given is given nobody else."""
    service, numbers = serve(WORKSPACE), itertools.count()
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Office.of(service, f"o{next(numbers)}"))


@settings(max_examples=EXAMPLES, phases=WHOLE, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(wanted=WORKSPACES)
def test_auth_18_lists_are_exactly_what_check_says_yes_to(offices: Callable[[], Office], wanted: Workspace) -> None:
    look = Look(offices(), wanted)
    for user in USERS:
        look.compare(user)
    for folder, parent in wanted.moves:
        look.move(folder, parent)
        look.compare("bob")

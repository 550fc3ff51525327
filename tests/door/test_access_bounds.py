"""Cyclic, deep and wide relations, and a database that breaks: the right answer or a clear refusal in time, and never a wrong yes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from protoplane.access.bounds import OBJECTS_MAX
from protoplane.access.declared import declare
from protoplane.access.relations import Relations
from protoplane.access.tuples import Object, RelationTuple, Subject
from protoplane.base.deadline import Deadline
from protoplane.store.engine import Engine as Store
from protoplane.store.tuples import CONDITIONAL_TABLE, TUPLE_TABLE
from tests.door.client import Door, Refused, code_of
from tests.door.conftest import Serve
from tests.door.process import Process
from tests.door.service import Service
from tests.door.workspace import WORKSPACE, Office, access_door, pb, tuples

Refuse = Callable[..., Refused]

WIDE = OBJECTS_MAX
PIECE = 10_000
SECONDS_MAX = 20.0
GROWTH_MIB_MAX = 100.0
"""Of the process of a server that lists 100,000 names."""


def asked(subject: str, relation: str, resource: str) -> dict[str, str]:
    return {"subject": subject, "relation": relation, "resource": resource}


def test_auth_20_groups_that_are_in_themselves_give_nobody_anything(office: Office) -> None:
    first, second, third = (office.group(name) for name in ("first", "second", "third"))
    office.give(f"{first}#member@{second}#member", f"{second}#member@{third}#member", f"{third}#member@{first}#member")
    office.give(
        f"{office.folder}#viewer@{first}#member", f"{second}#member@users/{office.name}-bob", f"{office.document}#banned@{third}#member"
    )
    other = office.document_in(office.folder, "other")
    bob, eve = (office.door(f"{office.name}-{name}") for name in ("bob", "eve"))
    assert bob.GetDocument(name=other).name == other
    for door, name in ((bob, office.document), (eve, other), (eve, office.document)):
        assert code_of(lambda door=door, name=name: door.GetDocument(name=name)) == "PERMISSION_DENIED"  # type: ignore[misc]  # Bound now.
    assert [one.name for one in bob.ListDocuments(parent=office.folder).documents] == [other]
    assert list(eve.ListDocuments(parent=office.folder).documents) == []
    for group in (first, second, third):
        assert list(office.access.ListSubjects(resource=group, relation="member", subject_type="user").subjects) == [
            f"users/{office.name}-bob"
        ]
        assert office.access.Check(**asked(f"{first}#member", "member", group)).allowed


def test_auth_20_folders_that_lie_in_themselves_give_nobody_anything(office: Office) -> None:
    names = [office.folder_in(name) for name in ("first", "second", "third")]
    for name, parent in zip(names, [*names[1:], names[0]], strict=True):
        office.door("ada").UpdateFolder(folder=pb.Folder(name=name, parent_folder=parent))
    document = office.document_in(names[0], "inside")
    bob, eve = (office.door(f"{office.name}-{name}") for name in ("bob", "eve"))
    assert code_of(lambda: eve.GetDocument(name=document)) == "PERMISSION_DENIED"
    assert not office.access.Check(**asked("users/eve", "guest", names[1])).allowed
    office.give(f"{names[2]}#viewer@users/{office.name}-bob")
    assert bob.GetDocument(name=document).name == document
    assert [one.name for one in bob.ListDocuments(parent=names[0]).documents] == [document]
    assert [one.name for one in bob.ListFolders(parent=office.organisation).folders] == sorted(names)
    assert list(eve.ListDocuments(parent=names[0]).documents) == list(eve.ListFolders(parent=office.organisation).folders) == []


def test_auth_20_a_hundred_groups_in_one_another_are_followed(office: Office) -> None:
    groups = [office.group(f"g{n:03}") for n in range(101)]
    office.give(*(f"{outer}#member@{inner}#member" for outer, inner in pairwise(groups)))
    office.give(f"{office.folder}#viewer@{groups[0]}#member", f"{groups[-1]}#member@users/{office.name}-bob")
    bob, eve = (office.door(f"{office.name}-{name}") for name in ("bob", "eve"))
    assert bob.GetDocument(name=office.document).name == office.document
    assert [one.name for one in bob.ListDocuments(parent=office.folder).documents] == [office.document]
    assert code_of(lambda: eve.GetDocument(name=office.document)) == "PERMISSION_DENIED"
    assert office.access.ListSubjects(resource=groups[0], relation="member", subject_type="user").subjects == [f"users/{office.name}-bob"]


def test_auth_20_a_hundred_folders_in_one_another_are_followed_or_refused(office: Office, refused: Refuse) -> None:
    """What a linear relation needs is one statement at any depth; others are read level by level, up to a bound."""
    ada = office.door("ada")
    names = [f"{office.organisation}/folders/f{n:03}" for n in range(105)]
    requests = [
        {"parent": office.organisation, "folder_id": f"f{n:03}", "folder": pb.Folder(parent_folder=names[n - 1] if n else "")}
        for n in range(105)
    ]
    for request in requests:
        ada.CreateFolder(**request)
    bob = office.door(f"{office.name}-bob")
    office.give(f"{names[0]}#viewer@users/{office.name}-bob")
    assert bob.GetFolder(name=names[-1]).name == names[-1]
    assert len(bob.ListFolders(parent=office.organisation, page_size=1_000).folders) == 105
    fine, deep = (office.document_in(names[n], "d") for n in (80, 104))
    assert bob.GetDocument(name=fine).name == fine
    assert code_of(lambda: office.door(f"{office.name}-eve").GetDocument(name=fine)) == "PERMISSION_DENIED"
    for user in ("bob", "eve"):
        refusal = refused(office.door(f"{office.name}-{user}").GetDocument, name=deep)
        assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "ACCESS_BOUND")
        assert "LEVELS_MAX" in refusal.metadata["problem"]
    for fields in (asked("users/x", "viewer", deep), asked("users/x", "guest", names[-1])):
        assert refused(office.access.Check, **fields).reason == "ACCESS_BOUND"
        assert refused(office.access.BatchCheck, items=[fields, fields]).reason == "ACCESS_BOUND"


# Wide


class Wide:
    """A document of 100,000 readers, a group of 100,000 members and a user who reads 100,000 documents, served by a process of its own."""

    def __init__(self, service: Service, process: Process, office: Office) -> None:
        self.office, self.process, self._service = office, process, service
        self.group = office.group("wide")
        self._load(RelationTuple(Object("group", self.group.partition("/")[2]), "member", Subject("user", f"m{n:06}")) for n in range(WIDE))
        document, folder = (name.split("/")[1::2] for name in (office.document, office.folder))
        self._load(RelationTuple(Object("document", "/".join(document)), "reader", Subject("user", f"r{n:06}")) for n in range(WIDE))
        self._load(
            RelationTuple(Object("document", "/".join([*folder, f"d{n:06}"])), "reader", Subject("user", "all")) for n in range(WIDE)
        )
        office.give(f"{office.document}#editor@{self.group}#member")
        self.access = access_door(service, target=process.target)

    def _load(self, tuples: Iterator[RelationTuple]) -> None:
        store = Store(self._service.database.url, threads=1)
        relations, held = Relations(declare(self._service.app.contract)[0].model, store), list(tuples)
        try:
            for start in range(0, len(held), PIECE):
                piece = held[start : start + PIECE]
                store.write(lambda session, piece=piece: relations.write(session, piece), Deadline.after(60.0))  # type: ignore[misc]  # Bound now.
        finally:
            store.close()

    def door(self, subject: str) -> Door:
        """Calls of the process."""
        return WORKSPACE.door(self._service.folder, self.process.target, subject)

    @property
    def peak_mib(self) -> float:
        """The most memory that the process has had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@pytest.fixture(scope="module")
def wide(serve: Serve) -> Iterator[Wide]:
    """With tuples that were written past the change log."""
    service = serve(WORKSPACE, logged=False)
    process = Process(service.folder)
    process.start()
    try:
        with Office.of(service, "wide") as office:
            yield Wide(service, process, office)
    finally:
        assert process.terminate() == 0


def test_auth_20_a_hundred_thousand_wide_is_answered_or_refused_in_time(wide: Wide, refused: Refuse) -> None:
    access, office = wide.access, wide.office
    before, began = wide.peak_mib, time.monotonic()
    last = f"{WIDE - 1:06}"
    for subject, relation, held in (
        (f"r{last}", "viewer", True),
        (f"m{last}", "viewer", True),
        ("nobody", "viewer", False),
        (f"r{last}", "editor", False),
    ):
        assert access.Check(**asked(f"users/{subject}", relation, office.document)).allowed is held, (subject, relation)
    items = [asked(f"users/{kind}{n:06}", "viewer", office.document) for kind in "rmx" for n in range(0, WIDE, 1_000)]
    assert list(access.BatchCheck(items=items).allowed) == [True] * 200 + [False] * 100
    assert time.monotonic() - began < SECONDS_MAX
    with closing(wide.door(f"m{last}")) as member, closing(wide.door("nobody")) as nobody:
        assert member.GetDocument(name=office.document).name == office.document
        assert [one.name for one in member.ListDocuments(parent=office.folder).documents] == [office.document]
        assert code_of(lambda: nobody.GetDocument(name=office.document)) == "PERMISSION_DENIED"
        assert list(nobody.ListDocuments(parent=office.folder).documents) == []
    assert wide.peak_mib - before < GROWTH_MIB_MAX


def test_auth_20_lists_of_a_hundred_thousand_are_whole_or_refused(wide: Wide, refused: Refuse) -> None:
    access, office = wide.access, wide.office
    before = wide.peak_mib
    members = [one for part in access.StreamSubjects(resource=wide.group, relation="member", subject_type="user") for one in part.subjects]
    assert members == [f"users/m{n:06}" for n in range(WIDE)]
    held = [
        one
        for part in access.StreamResources(subject="users/all", relation="reader", type="document", seconds=60.0)
        for one in part.resources
    ]
    assert held == [f"{office.folder}/documents/d{n:06}" for n in range(WIDE)]
    office.give(f"{wide.group}#member@users/more", f"{office.folder}/documents/more#reader@users/all")
    for call in (
        lambda: access.ListSubjects(resource=wide.group, relation="member", subject_type="user"),
        lambda: access.ListResources(subject="users/all", relation="reader", type="document"),
        lambda: access.ListSubjects(resource=office.document, relation="viewer", subject_type="user"),
    ):
        began = time.monotonic()
        refusal = refused(call)
        assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "ACCESS_BOUND")
        assert time.monotonic() - began < SECONDS_MAX
    office.take(f"{wide.group}#member@users/more", f"{office.folder}/documents/more#reader@users/all")
    assert wide.peak_mib - before < GROWTH_MIB_MAX


# Broken


@pytest.mark.parametrize("table", [TUPLE_TABLE.name, CONDITIONAL_TABLE.name])
def test_auth_20_without_its_tables_it_says_yes_to_nobody(serve: Serve, table: str) -> None:
    service = serve(WORKSPACE, logged=False)
    with Office.of(service, "broken") as office:
        ada = office.door("ada")
        assert ada.GetDocument(name=office.document).name == office.document
        service.database.execute(f"DROP TABLE {table}")
        question: dict[str, Any] = asked("users/ada", "viewer", office.document)
        for run in (
            lambda: ada.GetDocument(name=office.document),
            lambda: ada.ListDocuments(parent=office.folder),
            lambda: ada.AggregateDocuments(parent=office.folder),
            lambda: (
                ada.UpdateDocument(document=pb.Document(name=office.document, title="x"))
                if table == TUPLE_TABLE.name
                else ada.GetDocument(name=office.document)
            ),
            lambda: ada.BatchGetDocuments(names=[office.document]),
            lambda: office.access.Check(**question),
            lambda: office.access.BatchCheck(items=[question]),
            lambda: office.access.ListResources(subject="users/ada", relation="viewer", type="document"),
            lambda: office.access.ListSubjects(resource=office.document, relation="viewer", subject_type="user"),
            lambda: list(office.access.StreamSubjects(resource=office.document, relation="viewer", subject_type="user")),
            lambda: office.access.ReadRelations(filter={"resource": office.document}),
            lambda: office.give(f"{office.document}#reader@users/eve"),
        ):
            assert code_of(run) == "UNAVAILABLE"


def test_auth_20_a_bug_on_the_way_to_an_answer_is_no_yes(serve: Serve) -> None:
    """What a tuple says to its condition is no JSON any more: an error that nobody has thought of."""
    service = serve(WORKSPACE, logged=False)
    with Office.of(service, "bug") as office:
        until = {"name": "until", "context": {"end": "2120-01-01T00:00:00Z"}}
        office.access.WriteRelations(writes=[{**tuples(f"{office.folder}#guest@users/eve")[0], "condition": until}])
        eve = office.door("eve")
        runs = (
            lambda: eve.GetDocument(name=office.document),
            lambda: eve.ListDocuments(parent=office.folder).documents[0],
            lambda: eve.BatchGetDocuments(names=[office.document]),
            lambda: office.access.Check(**asked("users/eve", "viewer", office.document)).allowed or 1 / 0,
            lambda: office.access.ListResources(subject="users/eve", relation="viewer", type="document").resources[0],
        )
        assert {code_of(run) for run in runs} == {"OK"}
        service.database.execute(f"UPDATE {CONDITIONAL_TABLE.name} SET context = '{{'")
        assert {code_of(run) for run in runs} == {"INTERNAL"}
        assert {type(bug).__name__ for bug in service.bugs} == {"JSONDecodeError"}
        service.bugs.clear()

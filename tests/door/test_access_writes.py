"""WriteRelations: all or none, under preconditions, by whom the relation's `grant` lets."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pytest

from tests.door.client import Door, Refused, code_of
from tests.door.service import Service
from tests.door.workspace import Office, access_door, tuples

Refuse = Callable[..., Refused]
FAIL, IGNORE = 1, 2
EXISTS, ABSENT = 1, 2
RACES = 20


@pytest.fixture
def access_of(workspace: Service) -> Iterator[Callable[[str], Door]]:
    """The platform's service, as a user."""
    with ExitStack() as stack:
        yield lambda user: stack.enter_context(closing(access_door(workspace, user)))


def demand(what: int, **told: str) -> dict[str, Any]:
    """A precondition."""
    return {"filter": told, "demand": what}


def test_auth_16_one_bad_tuple_and_nothing_is_written(office: Office, refused: Refuse) -> None:
    good, there = f"{office.document}#reader@users/bob", f"{office.document}#reader@users/there"
    office.give(there)
    for bad, reason in {
        f"{office.document}#nonsense@users/bob": "RELATION_UNKNOWN",
        f"{office.document}#viewer@users/bob": "RELATION_NOT_ADMITTED",
        f"{office.document}#author@users/*": "RELATION_NOT_ADMITTED",
        f"{office.document}#author@services/bot": "RELATION_NOT_ADMITTED",
        there: "RELATION_EXISTS",
    }.items():
        refusal = refused(office.access.WriteRelations, writes=tuples(good, bad))
        assert refusal.reason == reason, bad
        assert office.tuples_of(office.document) == [there]
    absent = f"{office.document}#reader@users/absent"
    assert refused(office.access.WriteRelations, writes=tuples(good), deletes=tuples(there, absent)).reason == "RELATION_NOT_FOUND"
    assert office.tuples_of(office.document) == [there]


def test_auth_16_writes_and_deletes_of_one_call_come_together(office: Office) -> None:
    old, new = f"{office.document}#reader@users/old", f"{office.document}#editor@users/new"
    office.give(old)
    office.access.WriteRelations(writes=tuples(new), deletes=tuples(old))
    assert office.tuples_of(office.document) == [new]


def test_auth_16_the_same_tuple_twice_in_one_call_is_refused(office: Office, refused: Refuse) -> None:
    one = f"{office.document}#reader@users/bob"
    for fields in ({"writes": tuples(one, one)}, {"deletes": tuples(one, one)}, {"writes": tuples(one), "deletes": tuples(one)}):
        refusal = refused(office.access.WriteRelations, on_duplicate=IGNORE, on_missing=IGNORE, **fields)
        assert refusal.code == "INVALID_ARGUMENT"
        assert list(refusal.violations) == ["deletes[0]" if len(fields) == 2 else f"{next(iter(fields))}[1]"]
    assert list(refused(office.access.WriteRelations).violations) == ["writes"], "nothing at all"


def test_auth_16_what_is_there_or_is_not_is_refused_or_left(office: Office, refused: Refuse) -> None:
    one, other = f"{office.document}#reader@users/bob", f"{office.document}#reader@users/eve"
    office.give(one)
    for choice in (0, FAIL):
        refusal = refused(office.access.WriteRelations, writes=tuples(one), on_duplicate=choice)
        assert (refusal.code, refusal.reason, refusal.metadata["tuple"]) == ("ALREADY_EXISTS", "RELATION_EXISTS", one)
        refusal = refused(office.access.WriteRelations, deletes=tuples(other), on_missing=choice)
        assert (refusal.code, refusal.reason, refusal.metadata["tuple"]) == ("NOT_FOUND", "RELATION_NOT_FOUND", other)
    office.access.WriteRelations(writes=tuples(one, other), on_duplicate=IGNORE)
    assert office.tuples_of(office.document) == [one, other]
    office.access.WriteRelations(deletes=tuples(one, f"{office.document}#reader@users/none"), on_missing=IGNORE)
    assert office.tuples_of(office.document) == [other]


def test_auth_16_preconditions_are_of_the_same_transaction(office: Office, refused: Refuse) -> None:
    access, told = office.access, {"resource": office.document, "relation": "reader"}
    one, other = f"{office.document}#reader@users/bob", f"{office.document}#reader@users/eve"
    refusal = refused(access.WriteRelations, writes=tuples(one), preconditions=[demand(ABSENT, **told), demand(EXISTS, **told)])
    assert (refusal.code, refusal.reason, refusal.metadata["index"]) == ("FAILED_PRECONDITION", "PRECONDITION_UNMET", "1")
    assert office.tuples_of(office.document) == []
    access.WriteRelations(writes=tuples(one), preconditions=[demand(ABSENT, **told)])
    assert refused(access.WriteRelations, writes=tuples(other), preconditions=[demand(ABSENT, **told)]).reason == "PRECONDITION_UNMET"
    access.WriteRelations(writes=tuples(other), preconditions=[demand(EXISTS, **told, subject="users/bob")])
    moved = {"writes": tuples(f"{office.document}#editor@users/bob"), "deletes": tuples(one)}
    access.WriteRelations(**moved, preconditions=[demand(EXISTS, **told, subject="users/bob")])
    assert (
        refused(access.WriteRelations, **moved, preconditions=[demand(EXISTS, **told, subject="users/bob")]).reason == "PRECONDITION_UNMET"
    )
    for wrong in ({"demand": 0}, {"demand": 3}):
        assert refused(access.WriteRelations, writes=tuples(one), preconditions=[{"filter": told, **wrong}]).code == "INVALID_ARGUMENT"


def test_auth_16_of_two_calls_whose_preconditions_exclude_each_other_one_writes(office: Office, access_of: Callable[[str], Door]) -> None:
    """Whoever comes first keeps the other out: what is asked is not changed until it is written."""
    doors, gate = [access_of("keeper"), access_of("keeper")], threading.Barrier(2)

    def run(place: int, number: int) -> str:
        mine, theirs = (f"users/u{number}-{place}", f"users/u{number}-{1 - place}")
        told = demand(ABSENT, resource=office.document, relation="reader", subject=theirs)
        gate.wait()
        return code_of(lambda: doors[place].WriteRelations(writes=tuples(f"{office.document}#reader@{mine}"), preconditions=[told]))

    with ThreadPoolExecutor(2) as pool:
        for number in range(RACES):
            codes = sorted(pool.map(run, (0, 1), (number, number)))
            assert codes == ["FAILED_PRECONDITION", "OK"]
    assert len(office.tuples_of(office.document)) == RACES


def test_auth_16_a_repeated_request_has_one_effect(office: Office, refused: Refuse) -> None:
    access, one = office.access, f"{office.document}#reader@users/bob"
    given, taken = str(uuid.uuid4()), str(uuid.uuid4())
    for _ in range(3):
        access.WriteRelations(writes=tuples(one), request_id=given)
    for _ in range(3):
        access.WriteRelations(deletes=tuples(one), request_id=taken)
    access.WriteRelations(writes=tuples(one), request_id=given)
    assert office.tuples_of(office.document) == [], "the answer is the first one's"
    assert refused(access.WriteRelations, writes=tuples(f"{one}x"), request_id=given).code == "INVALID_ARGUMENT"
    assert refused(access.WriteRelations, writes=tuples(one), request_id="mine").code == "INVALID_ARGUMENT"


def test_auth_16_what_is_only_validated_is_not_written(office: Office, refused: Refuse) -> None:
    one = f"{office.document}#reader@users/bob"
    office.access.WriteRelations(writes=tuples(one), validate_only=True)
    assert office.tuples_of(office.document) == []
    office.give(one)
    assert refused(office.access.WriteRelations, writes=tuples(one), validate_only=True).reason == "RELATION_EXISTS"
    office.access.WriteRelations(deletes=tuples(one), validate_only=True)
    assert office.tuples_of(office.document) == [one]


def test_auth_16_relations_are_given_by_whom_their_grant_lets(office: Office, access_of: Callable[[str], Door], refused: Refuse) -> None:
    """`reader` is given by editors, `author` by owners, `viewer` by nobody, and all of them by `access.write`."""
    ada, bob, editor = access_of("ada"), access_of(f"{office.name}-bob"), access_of(f"{office.name}-editor")
    office.give(f"{office.document}#editor@users/{office.name}-editor", f"{office.document}#reader@users/{office.name}-bob")
    reader, author = f"{office.document}#reader@users/eve", f"{office.document}#author@users/eve"
    for door, one, needed in ((bob, reader, "editor"), (editor, author, "owner"), (ada, author, "owner")):
        refusal = refused(door.WriteRelations, writes=tuples(one))
        assert (refusal.code, refusal.metadata["permission"], refusal.metadata["resource"]) == (
            "PERMISSION_DENIED",
            needed,
            office.document,
        )
        assert code_of(lambda door=door, one=one: door.WriteRelations(deletes=tuples(one))) == "PERMISSION_DENIED"  # type: ignore[misc]  # Bound now.
    editor.WriteRelations(writes=tuples(reader))
    editor.WriteRelations(deletes=tuples(reader))
    assert refused(editor.WriteRelations, writes=tuples(reader, author)).metadata["permission"] == "owner"
    office.door("ada").UpdateDocument(document={"name": office.document, "owner": "ada"})
    ada.WriteRelations(writes=tuples(author))
    assert refused(ada.WriteRelations, writes=tuples(f"{office.document}#viewer@users/eve")).metadata["permission"] == "access.write"
    assert min(office.tuples_of(office.document)) == author


def test_auth_16_who_may_not_is_told_nothing_of_what_is_there(office: Office, access_of: Callable[[str], Door], refused: Refuse) -> None:
    """AIP-211: the same refusal, whatever is wrong with the tuples beside, and whatever is there."""
    there = f"{office.document}#reader@users/eve"
    office.give(there)
    eve = access_of(f"{office.name}-eve")
    texts = set[str]()
    for fields in (
        {"writes": tuples(there)},
        {"writes": tuples(f"{office.document}#reader@users/absent")},
        {"deletes": tuples(there)},
        {"deletes": tuples(f"{office.document}#reader@users/absent")},
        {"writes": tuples(f"{office.document}#reader@groups/none")},
        {"writes": tuples(there), "preconditions": [demand(EXISTS, resource=office.document, relation="reader")]},
    ):
        refusal = refused(eve.WriteRelations, **fields)
        assert refusal.code == "PERMISSION_DENIED", fields
        texts.add(refusal.message)
    assert len(texts) == 1
    assert code_of(lambda: access_of("").WriteRelations(writes=tuples(there))) == "UNAUTHENTICATED"


def test_auth_16_preconditions_tell_nothing_of_what_the_caller_may_not_read(office: Office, access_of: Callable[[str], Door]) -> None:
    """Who may write somewhere learns by a precondition no more than by a read of tuples, for which a permission is needed."""
    writer, auditor = access_of(f"{office.name}-writer"), access_of("auditor")
    mine = office.document_in(office.folder_in("mine"), "mine")
    office.give(*(f"{mine}#editor@users/{one}" for one in (f"{office.name}-writer", "auditor")), f"{office.document}#reader@users/secret")

    def code(door: Door, precondition: dict[str, Any]) -> str:
        write = tuples(f"{mine}#reader@users/x")
        return code_of(lambda: door.WriteRelations(writes=write, preconditions=[precondition], validate_only=True))

    for told in (
        {"resource": office.document, "relation": "reader", "subject": "users/secret"},
        {"resource": office.document, "relation": "reader", "subject": "users/unknown"},
        {"resource": office.document},
        {"resource": f"{office.folder}/documents/-", "relation": "reader"},
        {"resource": "organisations/-/folders/-/documents/-", "relation": "reader"},
        {"resource": mine},
        {"resource": mine, "relation": "author"},
        {"relation": "reader"},
        {"subject": "users/secret"},
        {},
    ):
        wanted = "INVALID_ARGUMENT" if told.get("resource") == f"{office.folder}/documents/-" else "PERMISSION_DENIED"
        assert code(writer, demand(EXISTS, **told)) == wanted, told
        assert code(auditor, demand(EXISTS, **told)) in {"OK", "FAILED_PRECONDITION", "INVALID_ARGUMENT"}, told
    for door in (writer, auditor):
        assert code(door, demand(ABSENT, resource=mine, relation="reader")) == "OK"
        assert code(door, demand(EXISTS, resource=mine, relation="reader", subject="users/x")) == "FAILED_PRECONDITION"


def test_auth_16_what_fields_and_names_say_is_not_written_as_tuples(office: Office, refused: Refuse) -> None:
    for one, said in (
        (f"{office.document}#owner@users/bob", "owner"),
        (f"{office.document}#folder@{office.folder}", "name"),
        (f"{office.folder}#within@{office.folder}x", "parent_folder"),
    ):
        for fields in ({"writes": tuples(one)}, {"deletes": tuples(one)}):
            refusal = refused(office.access.WriteRelations, **fields)
            assert (refusal.code, refusal.reason, refusal.metadata["tuple"]) == ("INVALID_ARGUMENT", "RELATION_NOT_ADMITTED", one)
            assert said in refusal.metadata["problem"]


def test_auth_16_nobody_is_given_what_he_has_by_being_it(office: Office, refused: Refuse) -> None:
    group = office.group("self")
    assert refused(office.access.WriteRelations, writes=tuples(f"{group}#member@{group}#member")).reason == "RELATION_NOT_ADMITTED"


def test_auth_16_changes_of_tuples_are_bounded(office: Office, refused: Refuse) -> None:
    named = [f"{office.document}#reader@users/u{n:04}" for n in range(1_001)]
    assert list(refused(office.access.WriteRelations, writes=tuples(*named)).violations) == ["writes"]
    office.give(*named[:1_000])
    assert office.tuples_of(office.document) == named[:1_000]
    office.take(*named[:1_000])
    assert office.tuples_of(office.document) == []

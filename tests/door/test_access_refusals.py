"""What is wrong with a request about relations is told: each reason, and each field that names nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.door.client import Refused
from tests.door.workspace import Office, tuples

Refuse = Callable[..., Refused]

LONG = "u" * 1_000


def requests(office: Office) -> dict[str, dict[str, Any]]:
    """Good requests, by method."""
    question = {"subject": "users/bob", "relation": "viewer", "resource": office.document}
    listing = {"subject": "users/bob", "relation": "viewer", "type": "document"}
    asked = {"resource": office.document, "relation": "viewer", "subject_type": "user"}
    return {
        "Check": question,
        "ListResources": listing,
        "StreamResources": listing,
        "ListSubjects": asked,
        "StreamSubjects": asked,
        "Expand": {"resource": office.document, "relation": "viewer"},
        "TestPermissions": {"resource": office.document, "permissions": ["viewer"]},
        "BatchCheck": {"items": [question, question]},
        "WriteRelations": {"writes": tuples(f"{office.document}#reader@users/bob"), "validate_only": True},
    }


def call(office: Office, method: str, fields: dict[str, Any]) -> object:
    answer = getattr(office.access, method)(**fields)
    return list(answer) if method.startswith("Stream") else answer


BAD: dict[str, tuple[str, ...]] = {
    "resource": (
        "",
        "documents/a",
        "organisations/a/folders/-/documents/b",
        "/",
        "organisations//folders/a",
        "users/bob",
        "organisations/a/",
    ),
    "subject": (
        "",
        "bob",
        "users/",
        "users",
        "shelves/a",
        "groups/a#",
        "groups/a#nonsense",
        "groups/-",
        "organisations/a#member#member",
        "#member",
    ),
    "type": ("", "shelf", "user", "documents"),
    "subject_type": ("", "shelf", "group#nonsense", "users", "user:*", "#member"),
}


@pytest.mark.parametrize("method", ["Check", "ListResources", "StreamResources", "ListSubjects", "StreamSubjects", "Expand"])
def test_auth_16_names_of_nothing_are_told_by_their_field(office: Office, refused: Refuse, method: str) -> None:
    good = requests(office)[method]
    call(office, method, good)
    for field in good.keys() & BAD.keys():
        for bad in BAD[field]:
            refusal = refused(call, office, method, {**good, field: bad})
            assert (refusal.code, list(refusal.violations)) == ("INVALID_ARGUMENT", [field]), bad


def test_auth_16_names_of_nothing_are_told_by_their_place_in_a_list(office: Office, refused: Refuse) -> None:
    good = requests(office)
    question = good["Check"]
    bad = {**question, "subject": "bob"}
    assert list(refused(office.access.BatchCheck, items=[question, bad]).violations) == ["items[1].subject"]
    one = tuples(f"{office.document}#reader@users/bob")[0]
    for fields, place in (
        ({"writes": [one, {**one, "resource": "documents/a"}]}, "writes[1].resource"),
        ({"deletes": [{**one, "subject": "bob"}]}, "deletes[0].subject"),
        ({"writes": [{**one, "relation": ""}]}, "writes[0].relation"),
    ):
        assert list(refused(office.access.WriteRelations, **fields).violations) == [place]
    given = {"contextual_tuples": [one, {**one, "subject": "bob"}]}
    for method in ("Check", "BatchCheck", "ListResources", "ListSubjects", "StreamResources", "StreamSubjects"):
        assert list(refused(call, office, method, {**good[method], **given}).violations) == ["contextual_tuples[1].subject"]


@pytest.mark.parametrize("method", ["Check", "ListResources", "StreamResources", "ListSubjects", "StreamSubjects", "Expand"])
def test_auth_16_relations_that_are_not_there_are_told(office: Office, refused: Refuse, method: str) -> None:
    refusal = refused(call, office, method, {**requests(office)[method], "relation": "nonsense"})
    assert (refusal.code, refusal.reason, dict(refusal.metadata)) == (
        "INVALID_ARGUMENT",
        "RELATION_UNKNOWN",
        {"relation": "nonsense", "type": "document"},
    )


def test_auth_16_relations_of_other_types_are_not_there(office: Office, refused: Refuse) -> None:
    asked = {"subject": "users/bob", "relation": "member", "resource": office.document}
    assert refused(office.access.Check, **asked).reason == "RELATION_UNKNOWN"
    assert refused(office.access.BatchCheck, items=[requests(office)["Check"], asked]).reason == "RELATION_UNKNOWN"
    assert refused(office.access.TestPermissions, resource=office.document, permissions=["viewer", "member"]).reason == "RELATION_UNKNOWN"


def test_auth_15_contextual_tuples_are_such_as_could_be_written(office: Office, refused: Refuse) -> None:
    good = requests(office)
    for one, reason in (
        (f"{office.document}#nonsense@users/bob", "RELATION_UNKNOWN"),
        (f"{office.document}#viewer@users/bob", "RELATION_NOT_ADMITTED"),
        (f"{office.document}#owner@users/bob", "RELATION_NOT_ADMITTED"),
        (f"{office.document}#folder@{office.folder}x", "RELATION_NOT_ADMITTED"),
        (f"{office.document}#author@users/*", "RELATION_NOT_ADMITTED"),
    ):
        for method in ("Check", "BatchCheck", "ListResources", "ListSubjects", "StreamResources", "StreamSubjects"):
            refusal = refused(call, office, method, {**good[method], "contextual_tuples": tuples(one)})
            assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", reason), (one, method)
    many = tuples(*(f"{office.document}#reader@users/u{n}" for n in range(101)))
    assert refused(office.access.Check, **good["Check"], contextual_tuples=many).code == "INVALID_ARGUMENT"
    assert office.access.Check(**{**good["Check"], "subject": "users/u7"}, contextual_tuples=many[:100]).allowed


def test_auth_16_ids_are_as_long_as_tuples_hold_them(office: Office, refused: Refuse) -> None:
    fits = f"users/{'ü' * 255}"
    office.give(f"{office.document}#reader@{fits}")
    assert office.access.Check(subject=fits, relation="reader", resource=office.document).allowed
    assert not office.access.Check(subject=f"{fits}ü", relation="reader", resource=office.document).allowed
    for beyond in (f"{fits}ü", f"users/{LONG}"):
        held = tuples(f"{office.document}#reader@{beyond}")
        assert refused(office.access.WriteRelations, writes=held).reason == "RELATION_NOT_ADMITTED"
        assert refused(office.access.WriteRelations, deletes=held).reason == "RELATION_NOT_FOUND"
        office.access.WriteRelations(deletes=held, on_missing=2)
    assert office.tuples_of(office.document) == [f"{office.document}#reader@{fits}"]
    for method, fields in requests(office).items():
        if "subject" in fields:
            call(office, method, {**fields, "subject": f"users/{LONG}"})
            given = {"contextual_tuples": tuples(f"{office.document}#reader@users/{LONG}")}
            assert refused(call, office, method, {**fields, **given}).reason == "RELATION_NOT_ADMITTED"


def test_auth_16_pages_have_a_size(office: Office, refused: Refuse) -> None:
    for method in ("ListResources", "ListSubjects"):
        refusal = refused(call, office, method, {**requests(office)[method], "page_size": -1})
        assert list(refusal.violations) == ["page_size"]
        assert refused(call, office, method, {**requests(office)[method], "page_token": "x"}).code == "INVALID_ARGUMENT"

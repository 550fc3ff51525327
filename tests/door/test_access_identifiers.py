"""Who somebody is, and what something is called, is exact to the byte: in tuples, in columns and in tokens, on every engine."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.door.client import Refused, code_of
from tests.door.service import Service
from tests.door.workspace import Office, access_door, pb

Refuse = Callable[..., Refused]

ALIKE = (
    "émile",
    "e\u0301mile",  # The same in Unicode's decomposed form.
    "emile",
    "Émile",
    "EMILE",
    "Emile",
    "émile ",
    " émile",
    "émile\u00a0",
    "émile\u200b",  # A space without width.
    "émile\t",
    "émile\n",
    "émile\u00ad",
    "\ufeffémile",
    "еmile",  # With a Cyrillic letter.
    "émilе",
    "\uff45mile",  # Of full width.
    "émi\u2113e",
    "émıle",  # A dotless i.
    "ém\u0130le",
    "émile#member",
    "émile/x",
    "/émile",
    "users/émile",
    "émile*",
    "émile%",
    "émile_",
    "émile'",
    'émile"',
    "émile\\",
    "strasse",
    "straße",
    "STRASSE",
    "ﬁn",
    "fin",
    "𝔢mile",
    "👩‍💻",
    "👩💻",
    "0",
    "00",
    "1",
    "1.0",
    "1e0",
    "true",
    "null",
    "-",
    "%",
    "_",
)
"""Subjects that some comparison, folding, trimming or pattern takes for one another."""


def test_auth_19_the_names_here_are_such_as_comparisons_confuse() -> None:
    folded = {unicodedata.normalize("NFKC", one).casefold().strip() for one in ALIKE}
    assert len(set(ALIKE)) == len(ALIKE)
    assert len(folded) < len(ALIKE) - 8


def test_auth_19_a_subject_has_what_it_is_given_and_no_other_one_has(office: Office) -> None:
    """Each is given another document: nobody has any but his own, by a check, a batch, a list or a token."""
    access = office.access
    documents = {one: f"{office.folder}/documents/d{n}" for n, one in enumerate(ALIKE)}
    requests = [{"parent": office.folder, "document_id": f"d{n}", "document": {"title": "x"}} for n in range(len(ALIKE))]
    office.door("ada").BatchCreateDocuments(parent=office.folder, requests=requests)
    for one, document in documents.items():
        access.WriteRelations(writes=[{"resource": document, "relation": "banned", "subject": f"users/{one}"}])
    for one in ALIKE:
        items = [{"subject": f"users/{one}", "relation": "banned", "resource": document} for document in documents.values()]
        assert [documents[one]] == [
            item["resource"] for item, held in zip(items, access.BatchCheck(items=items).allowed, strict=True) if held
        ]
        assert list(access.ListResources(subject=f"users/{one}", relation="banned", type="document").resources) == [documents[one]]
        assert list(access.ListSubjects(resource=documents[one], relation="banned", subject_type="user").subjects) == [f"users/{one}"]
        assert [held.subject for held in access.ReadRelations(filter={"resource": documents[one], "subject": f"users/{one}"}).tuples] == [
            f"users/{one}"
        ]
        assert not access.Check(subject=f"services/{one}", relation="reader", resource=documents[one]).allowed


def test_auth_19_a_caller_is_exactly_the_subject_of_the_token(office: Office, workspace: Service) -> None:
    one, other, column = (office.document_in(office.folder, name) for name in ("one", "other", "column"))
    held = [subject for subject in ALIKE if subject != "émile"]
    office.access.WriteRelations(writes=[{"resource": one, "relation": "reader", "subject": "users/émile"}])
    office.access.WriteRelations(writes=[{"resource": other, "relation": "reader", "subject": f"users/{subject}"} for subject in held])
    office.door("ada").UpdateDocument(document=pb.Document(name=column, owner="émile"))
    for subject in ALIKE:
        with closing(workspace.door(subject)) as door:
            exact = subject == "émile"
            assert code_of(lambda door=door: door.GetDocument(name=one)) == ("OK" if exact else "PERMISSION_DENIED"), subject  # type: ignore[misc]  # Bound now.
            assert code_of(lambda door=door: door.GetDocument(name=column)) == ("OK" if exact else "PERMISSION_DENIED"), subject  # type: ignore[misc]  # As above.
            assert code_of(lambda door=door: door.GetDocument(name=other)) == ("PERMISSION_DENIED" if exact else "OK"), subject  # type: ignore[misc]  # As above.
            assert [document.name for document in door.ListDocuments(parent=office.folder).documents] == (
                [column, one] if exact else [other]
            )


def test_auth_19_tuples_of_alike_subjects_are_taken_away_one_by_one(office: Office) -> None:
    texts = [f"{office.document}#reader@users/{one}" for one in ALIKE]
    fields = [{"resource": office.document, "relation": "reader", "subject": f"users/{one}"} for one in ALIKE]
    office.access.WriteRelations(writes=fields)
    assert sorted(office.tuples_of(office.document)) == sorted(texts)
    for place, one in enumerate(fields):
        assert code_of(lambda one=one: office.access.WriteRelations(writes=[one])) == "ALREADY_EXISTS"  # type: ignore[misc]  # Bound now.
        office.access.WriteRelations(deletes=[one])
        assert code_of(lambda one=one: office.access.WriteRelations(deletes=[one])) == "NOT_FOUND"  # type: ignore[misc]  # As above.
        assert sorted(office.tuples_of(office.document)) == sorted(texts[place + 1 :])


def test_auth_19_nobody_calls_himself_everybody(office: Office, workspace: Service) -> None:
    """`*` is everybody in tuples, and in tokens nobody."""
    office.give(f"{office.folder}#viewer@users/*")
    with closing(workspace.door("*")) as door:
        assert code_of(lambda: door.GetDocument(name=office.document)) == "UNAUTHENTICATED"
        made = {"parent": office.folder, "document_id": "mine", "document": pb.Document(title="x")}
        assert code_of(lambda: door.CreateDocument(**made)) == "UNAUTHENTICATED"
    office.door("ada").UpdateDocument(document=pb.Document(name=office.document, owner="*"))
    for subject in ("users/*", "users/eve"):
        assert not office.access.Check(subject=subject, relation="owner", resource=office.document).allowed
    with closing(access_door(workspace, "eve")) as eve:
        assert list(eve.TestPermissions(resource=office.document, permissions=["owner", "viewer"]).permissions) == ["viewer"]


def test_auth_19_what_ends_a_text_is_in_no_subject(office: Office, workspace: Service, refused: Refuse) -> None:
    """SQLite ends a text of JSON at it, and would take one subject for another."""
    office.give(f"{office.folder}#viewer@users/eve")
    question = {"subject": "users/eve\0x", "relation": "viewer", "resource": office.document}
    assert list(refused(office.access.Check, **question).violations) == ["subject"]
    held = {"resource": office.folder, "relation": "viewer", "subject": "users/eve\0x"}
    assert list(refused(office.access.WriteRelations, deletes=[held]).violations) == ["deletes[0].subject"]
    with closing(workspace.door("eve\0x")) as door:
        assert refused(door.GetDocument, name=office.document).code == "UNAUTHENTICATED"


@pytest.mark.parametrize("name", ["Team", "TEAM", "team ", "tèam", "te\u0301am", "teаm", "ｔeam", "team\u200b"])
def test_auth_19_ids_of_groups_are_exact_or_no_ids(office: Office, name: str) -> None:
    group = office.group("team")
    other = f"{group.removesuffix('team')}{name}"
    bob = f"users/{office.name}-bob"
    office.give(f"{office.folder}#viewer@{group}#member", f"{group}#member@users/{office.name}-ann")
    code = code_of(lambda: office.give(f"{other}#member@{bob}"))
    assert code in {"OK", "INVALID_ARGUMENT"}
    assert not office.access.Check(subject=bob, relation="member", resource=group).allowed
    assert not office.access.Check(subject=bob, relation="viewer", resource=office.document).allowed
    if code == "OK":
        assert office.access.Check(subject=bob, relation="member", resource=other).allowed
        assert not office.access.Check(subject=f"{other}#member", relation="viewer", resource=office.document).allowed
        assert office.tuples_of(group) != office.tuples_of(other)


@pytest.mark.parametrize("name", ["Plan", "PLAN", "plan ", "plán", "pla\u0301n", "рlan", "ｐlan", "plan\u200b", "plan/"])
def test_auth_19_ids_of_documents_are_exact_or_no_ids(office: Office, name: str) -> None:
    bob = f"{office.name}-bob"
    office.give(f"{office.document}#reader@users/{bob}")
    other = f"{office.folder}/documents/{name}"
    assert code_of(lambda: office.door(bob).GetDocument(name=other)) in {"PERMISSION_DENIED", "INVALID_ARGUMENT"}
    question = {"subject": f"users/{bob}", "relation": "viewer", "resource": other}
    held = list[bool]()
    assert code_of(lambda: held.append(office.access.Check(**question).allowed)) in {"OK", "INVALID_ARGUMENT"}
    assert held in ([], [False])

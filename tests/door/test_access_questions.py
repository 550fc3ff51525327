"""Check, BatchCheck, Expand and TestPermissions as callers ask them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.door.client import Door, Refused, code_of
from tests.door.service import Service
from tests.door.workspace import Office, access_door

Refuse = Callable[..., Refused]

RELATIONS = ("author", "owner", "manager", "banned", "editor", "reader", "viewer")
"""Of documents."""


def item(subject: str, relation: str, resource: str) -> dict[str, str]:
    """A question."""
    return {"subject": subject, "relation": relation, "resource": resource}


@pytest.fixture
def bob(workspace: Service) -> Iterator[Door]:
    """The platform's service, as somebody who has no permission."""
    with closing(access_door(workspace, "bob")) as door:
        yield door


def test_auth_16_check_says_yes_and_no(office: Office) -> None:
    office.give(f"{office.folder}#viewer@users/bob", f"{office.document}#banned@users/eve", f"{office.folder}#viewer@users/eve")
    expected = {"ada": (True, True), "bob": (False, True), "eve": (False, False), "nobody": (False, False)}
    for user, answers in expected.items():
        asked = [office.access.Check(**item(f"users/{user}", relation, office.document)).allowed for relation in ("editor", "viewer")]
        assert tuple(asked) == answers, user


def test_auth_16_check_is_asked_about_what_is_not_there_too(office: Office) -> None:
    absent = f"{office.folder}/documents/absent"
    office.give(f"{office.folder}#viewer@users/bob", f"{absent}#banned@users/bob")
    assert not office.access.Check(**item("users/bob", "viewer", absent)).allowed
    assert office.access.Check(**item("users/bob", "reader", absent)).allowed
    assert not office.access.Check(**item("users/bob", "reader", "organisations/none/folders/a/documents/b")).allowed


def test_auth_16_subjects_of_check_are_users_services_resources_and_usersets(office: Office) -> None:
    inner, outer = office.group("inner"), office.group("outer")
    office.give(f"{outer}#member@{inner}#member", f"{office.folder}#editor@{outer}#member", f"{office.folder}#editor@services/bot")
    for subject, held in {
        f"{inner}#member": True,
        f"{outer}#member": True,
        f"{inner}#owner": True,  # Owners are members.
        outer: False,
        inner: False,
        "services/bot": True,
        "users/bot": False,
        f"{office.organisation}#admin": True,
        f"{office.organisation}#member": False,
        f"{office.folder}#editor": True,
        f"{office.folder}#viewer": False,
    }.items():
        assert office.access.Check(**item(subject, "editor", office.document)).allowed is held, subject
    assert office.access.Check(**item(f"{office.document}#editor", "editor", office.document)).allowed, "whoever has it has it"
    assert office.access.Check(**item(office.folder, "folder", office.document)).allowed, "what the name says"
    assert office.access.Check(**item(office.organisation, "organisation", office.folder)).allowed


def test_auth_16_everybody_has_what_everybody_is_given_and_nothing_else(office: Office) -> None:
    office.give(f"{office.folder}#viewer@users/*")
    asked = {
        subject: office.access.Check(**item(subject, "viewer", office.folder)).allowed for subject in ("users/*", "users/x", "services/x")
    }
    assert asked == {"users/*": True, "users/x": True, "services/x": False}
    assert not office.access.Check(**item("users/*", "editor", office.folder)).allowed
    office.take(f"{office.folder}#viewer@users/*")
    office.give(f"{office.folder}#viewer@users/x")
    assert not office.access.Check(**item("users/*", "viewer", office.folder)).allowed


def test_auth_16_a_batch_of_one_to_a_thousand_agrees_with_check(office: Office) -> None:
    office.give(f"{office.folder}#viewer@users/bob", f"{office.document}#banned@users/bob", f"{office.document}#reader@services/bot")
    subjects = ("users/ada", "users/bob", "users/eve", "services/bot", f"{office.organisation}#admin")
    resources = (office.document, f"{office.document}x")
    asked = [item(subject, relation, resource) for subject in subjects for relation in RELATIONS for resource in resources]
    single = [office.access.Check(**one).allowed for one in asked]
    assert {True, False} == set(single)
    for count in (1, 2, len(asked), 1_000):
        items = (asked * 1_000)[:count]
        assert list(office.access.BatchCheck(items=items).allowed) == (single * 1_000)[:count]


def test_auth_16_a_batch_has_as_many_subjects_as_items(office: Office) -> None:
    office.give(*(f"{office.document}#reader@users/u{n}" for n in range(0, 200, 3)))
    answers = office.access.BatchCheck(items=[item(f"users/u{n}", "viewer", office.document) for n in range(200)]).allowed
    assert list(answers) == [n % 3 == 0 for n in range(200)]


def test_auth_16_batches_are_bounded(office: Office, refused: Refuse) -> None:
    one = item("users/ada", "viewer", office.document)
    for items in ([], [one] * 1_001):
        refusal = refused(office.access.BatchCheck, items=items)
        assert (refusal.code, list(refusal.violations)) == ("INVALID_ARGUMENT", ["items"])


def test_auth_16_questions_need_their_permission(office: Office, bob: Door) -> None:
    one = item("users/bob", "viewer", office.document)
    calls: dict[str, dict[str, Any]] = {
        "Check": one,
        "BatchCheck": {"items": [one]},
        "Expand": {"resource": office.document, "relation": "viewer"},
        "ListResources": {"subject": "users/bob", "relation": "viewer", "type": "document"},
        "ListSubjects": {"resource": office.document, "relation": "viewer", "subject_type": "user"},
        "ReadRelations": {},
    }
    for name, fields in calls.items():
        assert code_of(lambda name=name, fields=fields: getattr(bob, name)(**fields)) == "PERMISSION_DENIED", name  # type: ignore[misc]  # Bound now.
        assert code_of(lambda name=name, fields=fields: getattr(office.access, name)(**fields)) == "OK", name  # type: ignore[misc]  # As above.
    for name, fields in {"StreamResources": calls["ListResources"], "StreamSubjects": calls["ListSubjects"]}.items():
        assert code_of(lambda name=name, fields=fields: list(getattr(bob, name)(**fields))) == "PERMISSION_DENIED", name  # type: ignore[misc]  # As above.


def test_auth_16_test_permissions_tells_the_caller_what_he_has(office: Office, workspace: Service, bob: Door) -> None:
    office.give(f"{office.folder}#viewer@users/bob")
    asked = ["viewer", "editor", "reader", "banned", "viewer"]
    assert list(bob.TestPermissions(resource=office.document, permissions=asked).permissions) == ["viewer", "reader", "viewer"]
    office.take(f"{office.folder}#viewer@users/bob")
    assert list(bob.TestPermissions(resource=office.document, permissions=asked).permissions) == []
    own = ["access.write", "documents.get", "access.check"]
    assert list(bob.TestPermissions(permissions=own).permissions) == []
    assert list(office.access.TestPermissions(permissions=own).permissions) == ["access.write", "access.check"]
    with closing(access_door(workspace, "")) as nobody:
        assert code_of(lambda: nobody.TestPermissions(resource=office.document, permissions=asked)) == "UNAUTHENTICATED"


def test_auth_16_expand_shows_an_expression_one_level_deep(office: Office) -> None:
    group, other = office.group("seers"), office.folder_in("other")
    office.give(f"{office.folder}#viewer@users/zoe", f"{office.folder}#viewer@users/*", f"{office.folder}#viewer@{group}#member")
    office.give(f"{group}#member@users/deep", f"{office.document}#banned@users/eve")
    tree = office.access.Expand(resource=office.folder, relation="viewer").tree
    assert tree.userset == f"{office.folder}#viewer"
    direct, editor, within = tree.any_of.trees
    assert list(direct.direct.subjects) == sorted([f"{group}#member", "users/*", "users/zoe"])
    assert list(editor.computed.subjects) == [f"{office.folder}#editor"]
    assert within.WhichOneof("kind") == "computed"
    assert list(within.computed.subjects) == []
    office.door("ada").UpdateFolder(folder={"name": office.folder, "parent_folder": other})
    assert list(office.access.Expand(resource=office.folder, relation="viewer").tree.any_of.trees[2].computed.subjects) == [
        f"{other}#viewer"
    ]
    viewer = office.access.Expand(resource=office.document, relation="viewer").tree.without.trees
    assert [list(one.computed.subjects) for one in viewer] == [[f"{office.document}#reader"], [f"{office.document}#banned"]]
    assert list(office.access.Expand(resource=office.document, relation="banned").tree.direct.subjects) == ["users/eve"]


def test_auth_16_expand_shows_what_columns_and_names_say(office: Office) -> None:
    expanded = office.access.Expand(resource=office.document, relation="folder").tree
    assert list(expanded.direct.subjects) == [office.folder]
    assert list(office.access.Expand(resource=office.document, relation="owner").tree.direct.subjects) == []
    office.door("ada").UpdateDocument(document={"name": office.document, "owner": "ada"})
    assert list(office.access.Expand(resource=office.document, relation="owner").tree.direct.subjects) == ["users/ada"]

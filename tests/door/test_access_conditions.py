"""Tuples that come with the question, and tuples under conditions: in questions, in lists, and in the rules of methods."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.door.client import Refused, code_of
from tests.door.workspace import Office, pb, tuples

Refuse = Callable[..., Refused]

PAST, FUTURE = "2020-01-01T00:00:00Z", "2120-01-01T00:00:00Z"


def until(text: str, end: str | None) -> dict[str, Any]:
    """A tuple that counts until then, or until the request says."""
    return {**tuples(text)[0], "condition": {"name": "until", "context": {"end": end} if end else {}}}


def at(text: str, **context: Any) -> dict[str, Any]:
    """A tuple that counts at some places."""
    return {**tuples(text)[0], "condition": {"name": "at", "context": context}}


def guest(office: Office, subject: str) -> str:
    """A tuple of the office's folder."""
    return f"{office.folder}#guest@{subject}"


def user(office: Office, name: str) -> str:
    """One whom no other office knows."""
    return f"{office.name}-{name}"


def test_auth_15_contextual_tuples_are_taken_for_written_while_a_question_is_answered(office: Office) -> None:
    group, bob = office.group("g"), f"users/{user(office, 'bob')}"
    given = tuples(f"{office.folder}#viewer@{group}#member", f"{group}#member@{bob}")
    asked = {"subject": bob, "relation": "viewer", "resource": office.document}
    for fields, held in (({}, False), ({"contextual_tuples": given}, True), ({"contextual_tuples": given[:1]}, False), ({}, False)):
        assert office.access.Check(**asked, **fields).allowed is held
        assert list(office.access.BatchCheck(items=[asked, asked], **fields).allowed) == [held] * 2
        folders = {"subject": bob, "relation": "viewer", "type": "folder", **fields}
        expected = [office.folder] if held else []
        assert [one for one in office.access.ListResources(**folders).resources if one.startswith(office.organisation)] == expected
        streamed = [one for part in office.access.StreamResources(**folders) for one in part.resources]
        assert [one for one in streamed if one.startswith(office.organisation)] == expected
        kinds = {"resource": office.folder, "relation": "viewer", "subject_type": "user", **fields}
        assert (bob in office.access.ListSubjects(**kinds).subjects) is held
    assert office.tuples_of(office.folder) == []
    banned = tuples(f"{office.document}#banned@{bob}")
    assert not office.access.Check(**asked, contextual_tuples=[*given, *banned]).allowed, "those that take away count too"


def test_auth_15_a_tuple_counts_while_its_condition_holds(office: Office, refused: Refuse) -> None:
    names = {"early": PAST, "late": FUTURE}
    office.access.WriteRelations(writes=[until(guest(office, f"users/{user(office, name)}"), end) for name, end in names.items()])
    for name, held in (("early", False), ("late", True), ("other", False)):
        asked = {"subject": f"users/{user(office, name)}", "relation": "viewer", "resource": office.document}
        assert office.access.Check(**asked).allowed is held, name
        assert list(office.access.BatchCheck(items=[asked]).allowed) == [held]
        caller = office.door(user(office, name))
        assert code_of(lambda caller=caller: caller.GetDocument(name=office.document)) == ("OK" if held else "PERMISSION_DENIED")  # type: ignore[misc]  # Bound now.
        listed = caller.ListDocuments(parent=office.folder)
        assert ([one.name for one in listed.documents], listed.total_size) == (([office.document], 1) if held else ([], 0))
        resources = office.access.ListResources(subject=asked["subject"], relation="viewer", type="document", page_size=1_000).resources
        assert (office.document in resources) is held
    subjects = office.access.ListSubjects(resource=office.document, relation="viewer", subject_type="user").subjects
    assert [one for one in subjects if office.name in one] == [f"users/{user(office, 'late')}"]


def test_auth_15_now_is_the_time_of_the_call_unless_the_request_says_it(office: Office) -> None:
    bob = f"users/{user(office, 'bob')}"
    soon = datetime.now(UTC) + timedelta(hours=1)
    office.access.WriteRelations(writes=[until(guest(office, bob), soon.isoformat())])
    asked = {"subject": bob, "relation": "viewer", "resource": office.document}
    assert office.access.Check(**asked).allowed
    for hours, held in ((0, True), (2, False), (-10_000, True)):
        now = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
        assert office.access.Check(**asked, context={"now": now}).allowed is held
        listing = {"resource": office.document, "relation": "viewer", "subject_type": "user", "context": {"now": now}}
        assert (bob in office.access.ListSubjects(**listing).subjects) is held


def test_auth_15_what_the_tuple_says_goes_before_what_the_request_says(office: Office) -> None:
    bob, eve = f"users/{user(office, 'bob')}", f"users/{user(office, 'eve')}"
    office.access.WriteRelations(writes=[until(guest(office, bob), PAST), until(guest(office, eve), None)])
    asked = {"relation": "viewer", "resource": office.document}
    for end, held in ((FUTURE, True), (PAST, False)):
        assert not office.access.Check(subject=bob, **asked, context={"end": end}).allowed
        assert office.access.Check(subject=eve, **asked, context={"end": end}).allowed is held


def test_auth_15_a_parameter_that_nobody_says_is_an_error_and_never_a_yes(office: Office, refused: Refuse) -> None:
    eve = user(office, "eve")
    office.access.WriteRelations(writes=[at(guest(office, f"users/{eve}"), places=["office", "home"])])
    question = {"subject": f"users/{eve}", "relation": "viewer", "resource": office.document}
    listing = {"subject": f"users/{eve}", "relation": "viewer", "type": "document"}
    asked = {"resource": office.document, "relation": "viewer", "subject_type": "user"}
    access = office.access
    calls: dict[str, Callable[..., Any]] = {
        "Check": lambda **more: access.Check(**question, **more).allowed,
        "BatchCheck": lambda **more: access.BatchCheck(items=[question], **more).allowed[0],
        "ListResources": lambda **more: office.document in access.ListResources(**listing, page_size=1_000, **more).resources,
        "ListSubjects": lambda **more: f"users/{eve}" in access.ListSubjects(**asked, **more).subjects,
        "StreamResources": lambda **more: (
            office.document in [one for part in access.StreamResources(**listing, **more) for one in part.resources]
        ),
        "StreamSubjects": lambda **more: (
            f"users/{eve}" in [one for part in access.StreamSubjects(**asked, **more) for one in part.subjects]
        ),
    }
    for name, call in calls.items():
        refusal = refused(call)
        assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "CONDITION_CONTEXT"), name
        assert "place" in refusal.metadata["problem"]
        for wrong in ({"place": 5}, {"place": ["office"]}, {"places": ["office"]}):
            assert refused(call, context=wrong).reason == "CONDITION_CONTEXT", (name, wrong)
        assert call(context={"place": "office"}) is True, name
        assert call(context={"place": "moon"}) is False, name


def test_auth_15_what_no_rule_can_tell_is_a_no_and_spoils_no_list(office: Office, refused: Refuse) -> None:
    eve, bob = user(office, "eve"), user(office, "bob")
    other = office.document_in(office.folder_in("other"), "other")
    office.give(f"{other}#reader@users/{eve}")
    office.access.WriteRelations(writes=[at(guest(office, f"users/{eve}"), places=["office", "home"])])
    office.access.WriteRelations(writes=[until(guest(office, "users/*"), None)])
    caller = office.door(eve)
    for run in (
        lambda: caller.GetDocument(name=office.document),
        lambda: caller.BatchGetDocuments(names=[office.document, other]),
    ):
        assert refused(run).reason == "PERMISSION_DENIED", "nothing in a method's request says where a caller is"
    for door, seen in ((caller, [other]), (office.door(bob), [])):
        parent = f"{office.organisation}/folders/-"
        assert [one.name for one in door.ListDocuments(parent=parent).documents] == seen
        (group,) = door.AggregateDocuments(parent=parent).groups
        assert group.values["count"].int64_value == len(seen)
    office.take(guest(office, "users/*"))  # Questions of other tests would have no answer.
    changed = pb.Document(name=office.document, title="x")
    assert refused(caller.UpdateDocument, document=changed).reason == "PERMISSION_DENIED", "which no condition could give"


def test_auth_15_conditions_hold_for_groups_and_everybody_and_down_the_folders(office: Office) -> None:
    group, inner = office.group("g"), office.folder_in("inner")
    deep = office.document_in(inner, "deep")
    office.door("ada").UpdateFolder(folder={"name": inner, "parent_folder": office.folder})
    bob, eve = user(office, "bob"), user(office, "eve")
    office.give(f"{group}#member@users/{bob}")
    office.access.WriteRelations(writes=[until(guest(office, f"{group}#member"), FUTURE)])
    for name in (office.document, deep):
        assert office.door(bob).GetDocument(name=name).name == name
        assert code_of(lambda name=name: office.door(eve).GetDocument(name=name)) == "PERMISSION_DENIED"  # type: ignore[misc]  # Bound now.
    office.access.WriteRelations(writes=[until(guest(office, "users/*"), FUTURE)])
    assert [one.name for one in office.door(eve).ListDocuments(parent=inner).documents] == [deep]
    assert code_of(lambda: office.door("").GetDocument(name=deep)) == "UNAUTHENTICATED"


def test_auth_15_contextual_tuples_may_stand_under_conditions(office: Office, refused: Refuse) -> None:
    bob = f"users/{user(office, 'bob')}"
    asked = {"subject": bob, "relation": "viewer", "resource": office.document}
    for end, held in ((FUTURE, True), (PAST, False)):
        assert office.access.Check(**asked, contextual_tuples=[until(guest(office, bob), end)]).allowed is held
    assert refused(office.access.Check, **asked, contextual_tuples=[until(guest(office, bob), None)]).reason == "CONDITION_CONTEXT"
    office.access.WriteRelations(writes=[until(guest(office, bob), PAST)])
    assert office.access.Check(**asked, contextual_tuples=[until(guest(office, bob), FUTURE)]).allowed, "one of them is enough"


def test_auth_15_a_tuple_has_one_condition(office: Office, refused: Refuse) -> None:
    """With another one it is another statement about the same: refused even where duplicates are ignored."""
    bob = guest(office, f"users/{user(office, 'bob')}")
    write, plain = office.access.WriteRelations, tuples(bob)[0]
    write(writes=[until(bob, FUTURE)])
    write(writes=[until(bob, FUTURE)], on_duplicate=2)
    for other in (until(bob, PAST), plain, at(bob, place="x"), until(bob, None)):
        for choice in (1, 2):
            assert refused(write, writes=[other], on_duplicate=choice).reason == "RELATION_EXISTS", other
    write(deletes=[plain])
    write(writes=[plain])
    for other in (until(bob, PAST), at(bob, place="x")):
        assert refused(write, writes=[other], on_duplicate=2).reason == "RELATION_EXISTS"
    write(deletes=[until(bob, FUTURE)])
    assert office.tuples_of(office.folder) == []


def test_auth_15_conditions_are_such_as_the_model_has_with_values_that_fit(office: Office, refused: Refuse) -> None:
    bob = guest(office, f"users/{user(office, 'bob')}")
    plain = tuples(bob)[0]
    group = tuples(guest(office, f"{office.group('g')}#member"))[0]
    for wrong, reason in (
        ({**plain, "condition": {"name": "never"}}, "CONDITION_CONTEXT"),
        ({**plain, "condition": {"name": "until", "context": {"end": "tomorrow"}}}, "CONDITION_CONTEXT"),
        ({**plain, "condition": {"name": "until", "context": {"start": PAST}}}, "CONDITION_CONTEXT"),
        ({**plain, "condition": {"name": "at", "context": {"places": "office"}}}, "CONDITION_CONTEXT"),
        ({**group, "condition": {"name": "at", "context": {}}}, "RELATION_NOT_ADMITTED"),
        (group, "RELATION_NOT_ADMITTED"),
        ({**tuples(f"{office.folder}#viewer@users/bob")[0], "condition": {"name": "until"}}, "RELATION_NOT_ADMITTED"),
        ({**plain, "condition": {"name": "until", "context": {"end": "x" * 100_000}}}, "CONDITION_CONTEXT"),
    ):
        assert refused(office.access.WriteRelations, writes=[wrong]).reason == reason, str(wrong)[:100]
    assert list(refused(office.access.WriteRelations, writes=[{**plain, "condition": {"context": {}}}]).violations) == [
        "writes[0].condition.name"
    ]


def test_auth_15_19_a_condition_is_for_the_one_whom_it_names(office: Office) -> None:
    """Ids as long as there are: what is longer is somebody else, and nobody."""
    bob = f"users/{(user(office, 'b') + 'ü' * 255)[:255]}"
    office.access.WriteRelations(writes=[until(guest(office, bob), FUTURE)])
    for subject, held in ((bob, True), (f"{bob}ü", False), (bob[:-1], False), (f"{bob[:-1]}u", False), (bob.upper(), False)):
        if subject.startswith("users/"):
            assert office.access.Check(subject=subject, relation="viewer", resource=office.document).allowed is held, subject[-3:]

"""ListResources, ListSubjects and their streams: every page of every size, to the end, and nothing with a page's token but the next one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.door.client import Refused
from tests.door.conftest import Serve
from tests.door.service import Service
from tests.door.workspace import WORKSPACE, Office, tuples
from tests.engines import Engine

Refuse = Callable[..., Refused]
SIZES = (1, 2, 3, 7, 50, 1_000, 0)
PAGES_MAX = 100


def paged(call: Callable[..., Any], part: str, **fields: Any) -> list[list[str]]:
    """All pages, of which there is an end."""
    pages, token = list[list[str]](), ""
    while not pages or token:
        assert len(pages) < PAGES_MAX
        answer = call(page_token=token, **fields)
        pages.append(list(getattr(answer, part)))
        token = answer.next_page_token
    return pages


def streamed(call: Callable[..., Any], part: str, **fields: Any) -> list[str]:
    """All that a stream brings."""
    return [name for answer in call(**fields) for name in getattr(answer, part)]


def of(office: Office, name: str) -> str:
    """A user whom no other office knows."""
    return f"users/{office.name}-{name}"


def own(office: Office, names: Sequence[str]) -> list[str]:
    """Of resources those of an office: everybody may see some of the others."""
    return [name for name in names if name.startswith(f"{office.organisation}/")]


@pytest.fixture
def readers(office: Office) -> Office:
    """Bob sees 23 documents by several ways each, with a service, a group and everybody beside him."""
    bob, carol, eve = (of(office, name) for name in ("bob", "carol", "eve"))
    group, inner = office.group("team"), office.group("inner")
    office.give(f"{group}#member@{bob}", f"{inner}#member@{carol}", f"{group}#member@{inner}#member")
    office.give(f"{office.folder}#viewer@{group}#member", f"{office.document}#banned@{bob}")
    requests = [{"parent": office.folder, "document_id": f"d{n:02}", "document": {"title": "d"}} for n in range(23)]
    named = [one.name for one in office.door("ada").BatchCreateDocuments(parent=office.folder, requests=requests).documents]
    other = office.folder_in("other")
    office.give(
        *(f"{name}#reader@{bob}" for name in named), f"{office.document_in(other, 'z')}#editor@{eve}", f"{other}#editor@services/bot"
    )
    return office


def test_auth_16_pages_of_every_size_are_the_resources_in_order(readers: Office) -> None:
    expected = [f"{readers.folder}/documents/d{n:02}" for n in range(23)]
    asked = {"subject": of(readers, "bob"), "relation": "viewer", "type": "document"}
    for size in SIZES:
        pages = paged(readers.access.ListResources, "resources", page_size=size, **asked)
        assert own(readers, [name for page in pages for name in page]) == expected
        assert {len(page) for page in pages[:-1]} <= {size}
        assert pages[-1]
    assert own(readers, streamed(readers.access.StreamResources, "resources", **asked)) == expected


def test_auth_16_pages_of_every_size_are_the_subjects_in_order(readers: Office) -> None:
    more = [f"users/r{n:02}" for n in range(20)]
    readers.give(*(f"{readers.document}#reader@{one}" for one in more))
    asked = {"resource": readers.document, "relation": "viewer", "subject_type": "user"}
    expected = sorted(["users/ada", of(readers, "carol"), *more])
    for size in SIZES:
        pages = paged(readers.access.ListSubjects, "subjects", page_size=size, **asked)
        assert [name for page in pages for name in page] == expected, "bob is banned"
        assert {len(page) for page in pages[:-1]} <= {size}
    assert streamed(readers.access.StreamSubjects, "subjects", **asked) == expected


def test_auth_16_lists_are_those_for_whom_check_says_yes(readers: Office) -> None:
    access, relations = readers.access, ("editor", "reader", "viewer", "manager")

    def held(items: list[dict[str, str]]) -> list[dict[str, str]]:
        return [one for one, allowed in zip(items, access.BatchCheck(items=items).allowed, strict=True) if allowed]

    asked = {"subject_type": "user", "resource": readers.document}
    users = ["users/ada", *(of(readers, one) for one in ("bob", "carol", "eve", "nobody"))]
    named = [
        readers.document,
        f"{readers.organisation}/folders/other/documents/z",
        *(f"{readers.folder}/documents/d{n:02}" for n in range(23)),
    ]
    for relation in relations:
        said = held([{"subject": user, "relation": relation, "resource": readers.document} for user in users])
        assert streamed(access.StreamSubjects, "subjects", relation=relation, **asked) == [one["subject"] for one in said]
        for subject in (*users, "services/bot", f"{readers.organisation}#admin"):
            said = held([{"subject": subject, "relation": relation, "resource": one} for one in sorted(named)])
            found = streamed(access.StreamResources, "resources", subject=subject, relation=relation, type="document")
            assert own(readers, found) == [one["resource"] for one in said], (subject, relation)


def test_auth_16_everybody_is_listed_as_such(readers: Office) -> None:
    readers.give(f"{readers.document}#reader@users/*")
    found = streamed(readers.access.StreamSubjects, "subjects", resource=readers.document, relation="viewer", subject_type="user")
    assert found == ["users/*", "users/ada", of(readers, "carol")]
    listed = streamed(readers.access.StreamResources, "resources", subject="users/*", relation="viewer", type="document")
    assert readers.document in listed
    assert f"{readers.folder}/documents/d00" not in listed


def test_auth_16_a_token_goes_on_with_the_request_it_was_given_for(readers: Office, refused: Refuse) -> None:
    access, eve = readers.access, of(readers, "eve")
    resources: dict[str, Any] = {"subject": of(readers, "bob"), "relation": "viewer", "type": "document"}
    subjects: dict[str, Any] = {"resource": f"{readers.folder}/documents/d00", "relation": "viewer", "subject_type": "user"}
    changes: list[tuple[Any, dict[str, Any], list[dict[str, Any]]]] = [
        (
            access.ListResources,
            resources,
            [
                {"subject": "users/ada"},
                {"relation": "reader"},
                {"type": "folder"},
                {"context": {"place": "x"}},
                {"contextual_tuples": tuples(f"{readers.document}#reader@{eve}")},
            ],
        ),
        (
            access.ListSubjects,
            subjects,
            [{"resource": readers.document}, {"relation": "reader"}, {"subject_type": "service"}, {"context": {"place": "x"}}],
        ),
    ]
    for call, asked, others in changes:
        token = call(page_size=1, **asked).next_page_token
        assert token
        assert call(page_size=7, page_token=token, **asked)
        for other in others:
            assert refused(call, page_token=token, **{**asked, **other}).code == "INVALID_ARGUMENT", other
        assert refused(call, page_token=f"{token[:-2]}xx", **asked).code == "INVALID_ARGUMENT"
    assert (
        refused(access.ListSubjects, page_token=access.ListResources(page_size=1, **resources).next_page_token, **subjects).code
        == "INVALID_ARGUMENT"
    )


def test_auth_16_a_page_goes_on_behind_the_last_one_whatever_was_written_between(readers: Office) -> None:
    bob = of(readers, "bob")
    named = [f"{readers.folder}/documents/n{n:02}" for n in range(20)]
    readers.give(*(f"{name}#editor@{bob}" for name in named))
    asked: dict[str, Any] = {"subject": bob, "relation": "editor", "type": "document", "page_size": 10}
    first = readers.access.ListResources(**asked)
    assert list(first.resources) == named[:10]
    readers.take(f"{named[0]}#editor@{bob}", f"{named[9]}#editor@{bob}", f"{named[12]}#editor@{bob}")
    readers.give(f"{readers.folder}/documents/a#editor@{bob}", f"{named[11]}x#editor@{bob}")
    second = readers.access.ListResources(page_token=first.next_page_token, **asked)
    assert list(second.resources) == [*named[10:12], f"{named[11]}x", *named[13:]]


def test_auth_16_streams_bring_thousands_in_parts(engine: Engine, serve: Serve) -> None:
    service: Service = serve(WORKSPACE, logged=False)
    with Office.of(service, "many") as office:
        named = [f"{office.folder}/documents/d{n:04}" for n in range(1_300)]
        for start in (0, 1_000):
            office.give(*(f"{name}#reader@users/zoe" for name in named[start : start + 1_000]))
            office.give(*(f"{office.document}#reader@users/u{n:04}" for n in range(start, min(1_300, start + 1_000))))
        parts = [list(one.resources) for one in office.access.StreamResources(subject="users/zoe", relation="viewer", type="document")]
        assert [name for part in parts for name in part] == named
        assert [len(part) for part in parts] == [500, 500, 300]
        subjects = streamed(office.access.StreamSubjects, "subjects", resource=office.document, relation="reader", subject_type="user")
        assert subjects == sorted(["users/ada", *(f"users/u{n:04}" for n in range(1_300))])

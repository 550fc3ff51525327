"""ReadRelations: tuples as they were written, by everything that they can be found by, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.door.client import Refused
from tests.door.conftest import Serve
from tests.door.service import Service
from tests.door.workspace import WORKSPACE, Office, tuples

Refuse = Callable[..., Refused]
PAGES_MAX = 200


def text(held: Any) -> str:
    """A tuple, as `Office.give` takes it."""
    return f"{held.resource}#{held.relation}@{held.subject}"


def read(office: Office, size: int = 1_000, **told: str) -> list[str]:
    """All that a filter means, page by page."""
    found, token, pages = list[str](), "", 0
    while token or not pages:
        page = (
            office.access.ReadRelations(filter=told, page_size=size, page_token=token)
            if told
            else office.access.ReadRelations(page_size=size, page_token=token)
        )
        assert len(page.tuples) <= size
        assert len(page.tuples) == size or not page.next_page_token
        found += map(text, page.tuples)
        token, pages = page.next_page_token, pages + 1
        assert pages < PAGES_MAX
    return found


@pytest.fixture(scope="module")
def office(serve: Serve) -> Iterator[Office]:
    """An office that has the database for itself."""
    service: Service = serve(WORKSPACE)
    with Office.of(service, "own") as office:
        group = office.group("g")
        other = office.document_in(office.folder_in("other"), "z")
        subjects = ("users/ann", "users/Ann", "users/*", f"{group}#member", "services/ann")
        office.give(*(f"{one}#reader@{subject}" for one in (office.document, other) for subject in subjects))
        office.give(f"{office.document}#editor@users/ann", f"{office.folder}#viewer@users/ann", f"{group}#member@users/ann")
        until = {"name": "until", "context": {"end": "2030-01-01T00:00:00Z"}}
        office.access.WriteRelations(
            writes=[
                {**one, "condition": until} for one in tuples(f"{office.folder}#guest@users/ann", f"{office.folder}#guest@{group}#member")
            ]
        )
        yield office


def test_auth_16_every_filter_means_the_tuples_that_have_what_it_tells(office: Office) -> None:
    everything = read(office)
    assert len(everything) == len(set(everything)) == 16, "and Ada, who is admin of the organisation"
    kinds = {
        "organisations/-": "organisations/own#",
        "organisations/-/folders/-": "organisations/own/folders/folder#",
        "organisations/-/folders/-/documents/-": "/documents/",
        "groups/-": "groups/",
    }
    resources = {
        "": None,
        office.document: f"{office.document}#",
        office.folder: f"{office.folder}#",
        f"{office.folder}x": f"{office.folder}x#",
        **kinds,
    }
    for resource, begins in resources.items():
        for relation in ("", "reader", "guest", "member", "none"):
            for subject in ("", "users/ann", "users/*", "users/ada", "services/ann", "groups/own-g#member", "groups/own-g"):
                told = {name: value for name, value in (("resource", resource), ("relation", relation), ("subject", subject)) if value}
                wanted = [
                    one
                    for one in everything
                    if (begins is None or begins in f"{one.partition('#')[0]}#")
                    and (not relation or f"#{relation}@" in one)
                    and (not subject or one.endswith(f"@{subject}"))
                ]
                for size in (1_000, 1, 3):
                    assert sorted(read(office, size, **told)) == sorted(wanted), told


def test_auth_16_tuples_come_with_their_conditions(office: Office) -> None:
    found = office.access.ReadRelations(filter={"resource": office.folder, "relation": "guest"}).tuples
    assert [(one.subject, one.condition.name, dict(one.condition.context)) for one in found] == [
        ("groups/own-g#member", "until", {"end": "2030-01-01T00:00:00Z"}),
        ("users/ann", "until", {"end": "2030-01-01T00:00:00Z"}),
    ]
    (plain,) = office.access.ReadRelations(filter={"resource": office.document, "relation": "editor"}).tuples
    assert not plain.HasField("condition")


def test_auth_16_a_page_of_tuples_goes_on_with_the_filter_it_was_given_for(office: Office, refused: Refuse) -> None:
    told = {"resource": office.document}
    token = office.access.ReadRelations(filter=told, page_size=1).next_page_token
    for other in ({"filter": {"resource": office.folder}}, {"filter": {**told, "relation": "reader"}}, {}):
        assert refused(office.access.ReadRelations, page_token=token, **other).code == "INVALID_ARGUMENT"
    assert refused(office.access.ReadRelations, filter=told, page_size=-1).code == "INVALID_ARGUMENT"
    assert len(office.access.ReadRelations(filter=told, page_token=token, page_size=5_000).tuples) == 5


def test_auth_16_a_filter_that_names_nothing_is_told_where(office: Office, refused: Refuse) -> None:
    for told, field in (
        ({"resource": "shelves/a"}, "filter.resource"),
        ({"resource": f"{office.folder}/documents/-"}, "filter.resource"),
        ({"subject": "shelves/a"}, "filter.subject"),
        ({"subject": f"{office.document}#nonsense"}, "filter.subject"),
        ({"subject": "users/"}, "filter.subject"),
    ):
        refusal = refused(office.access.ReadRelations, filter=told)
        assert (refusal.code, list(refusal.violations)) == ("INVALID_ARGUMENT", [field]), told

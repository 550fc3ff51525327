"""B15: names that look alike are different: as users, as what a field says, as ids of resources, which take none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.door.client import Refused, code_of
from tests.door.service import Service
from tests.door.workspace import Office, pb, tuples

TWINS = {
    "capitals": ("alice", "Alice"),
    "all capitals": ("alice", "ALICE"),
    "a space behind": ("alice", "alice "),
    "a space before": ("alice", " alice"),
    "no-break space": ("al ice", "al\u00a0ice"),
    "an accent": ("alice", "alicé"),
    "composed and not": ("alic\u00e9", "alice\u0301"),
    "full width": ("alice", "\uff41lice"),
    "Cyrillic": ("alice", "\u0430lice"),
    "nothing between": ("alice", "al\u200bice"),
    "a sharp s": ("strasse", "straße"),
    "ligature": ("office", "o\ufb03ce"),
    "dotless i": ("alice", "al\u0131ce"),
    "Kelvin": ("kim", "\u212aim"),
    "an ideograph with a selector": ("\u845b", "\u845b\U000e0100"),
    "beyond the first plane": ("\U0001d4b6lice", "alice"),
    "digits": ("user1", "user\u0661"),
}

Refuse = Callable[..., Refused]


@pytest.fixture
def office(workspace: Service, fresh_id: str) -> Iterator[Office]:
    """An organisation of Ada's."""
    with Office.of(workspace, fresh_id) as office:
        yield office


@pytest.mark.parametrize("pair", TWINS)
def test_b15_users_whose_names_look_alike_are_different(office: Office, pair: str) -> None:
    for one, other in (TWINS[pair], TWINS[pair][::-1]):
        office.give(f"{office.document}#reader@users/{one}")
        assert code_of(partial(office.door(one).GetDocument, name=office.document)) == "OK"
        assert code_of(partial(office.door(other).GetDocument, name=office.document)) == "PERMISSION_DENIED"
        assert len(office.door(one).ListDocuments(parent=office.folder).documents) == 1
        assert not office.door(other).ListDocuments(parent=office.folder).documents
        office.give(f"{office.document}#reader@users/{other}")
        assert sorted(office.tuples_of(office.document)) == sorted(f"{office.document}#reader@users/{who}" for who in (one, other))
        office.take(f"{office.document}#reader@users/{one}")
        assert code_of(partial(office.door(one).GetDocument, name=office.document)) == "PERMISSION_DENIED"
        assert code_of(partial(office.door(other).GetDocument, name=office.document)) == "OK"
        office.take(f"{office.document}#reader@users/{other}")


@pytest.mark.parametrize("pair", TWINS)
def test_b15_a_field_that_says_who_owns_says_it_of_one(office: Office, pair: str) -> None:
    for one, other in (TWINS[pair], TWINS[pair][::-1]):
        office.door("ada").UpdateDocument(document=pb.Document(name=office.document, owner=one))
        assert office.door(one).UpdateDocument(document=pb.Document(name=office.document, stamp="s")).owner == one
        for name in ("GetDocument", "DeleteDocument"):
            assert code_of(partial(getattr(office.door(other), name), name=office.document)) == "PERMISSION_DENIED"


@pytest.mark.parametrize("pair", TWINS)
def test_b15_ids_of_resources_take_no_twin_and_a_twin_of_a_name_is_never_taken_for_it(office: Office, refused: Refuse, pair: str) -> None:
    ada, strange = office.door("ada"), [text for text in TWINS[pair] if not (text.isascii() and text.isalnum() and text.islower())]
    assert strange
    for text in strange:
        create = {"parent": office.folder, "document_id": text, "document": pb.Document()}
        assert refused(ada.CreateDocument, **create).code == "INVALID_ARGUMENT"
        assert (
            refused(ada.CreateOrganisation, organisation_id=text, organisation=pb.Organisation(display_name="x")).code == "INVALID_ARGUMENT"
        )
    plain = next((text for text in TWINS[pair] if text not in strange), "")
    if plain:
        name = ada.CreateDocument(parent=office.folder, document_id=plain, document=pb.Document(title="real")).name
        office.give(f"{name}#reader@users/bob")
        for text in strange:
            twin = name.replace(f"documents/{plain}", f"documents/{text}")
            for door in (ada, office.door("bob")):
                assert code_of(partial(door.GetDocument, name=twin)) in {
                    "INVALID_ARGUMENT",
                    "NOT_FOUND",
                    "PERMISSION_DENIED",
                }
            assert code_of(partial(office.access.WriteRelations, writes=tuples(f"{twin}#reader@users/eve"))) in {
                "OK",
                "INVALID_ARGUMENT",
            }
        assert refused(office.door("eve").GetDocument, name=name).code == "PERMISSION_DENIED"
        assert office.tuples_of(name) == [f"{name}#author@users/ada", f"{name}#reader@users/bob"]


def test_b15_permissions_and_relations_are_exact_too(office: Office, refused: Refuse) -> None:
    ada = office.access_as("ada")
    for relation in ("Reader", "READER", "reader ", "re\u0430der"):
        assert refused(office.access.WriteRelations, writes=tuples(f"{office.document}#{relation}@users/bob")).code == "INVALID_ARGUMENT"
        assert refused(ada.TestPermissions, resource=office.document, permissions=[relation]).code == "INVALID_ARGUMENT"
    assert refused(office.access_as("Keeper").ReadRelations).code == "PERMISSION_DENIED"

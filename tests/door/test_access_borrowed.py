"""B10, B09, B20: what one caller was given is of no use to another one: page tokens, request ids, etags."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.door.client import Refused, code_of
from tests.door.service import Service
from tests.door.workspace import Office, pb

Refuse = Callable[..., Refused]


@pytest.fixture
def office(workspace: Service, fresh_id: str) -> Iterator[Office]:
    """An organisation of Ada's with eight documents, of which Bob may see the even ones and Carol the odd ones."""
    with Office.of(workspace, fresh_id) as office:
        ada = office.door("ada")
        requests = [{"document_id": f"d{number}", "document": {"title": f"{number}", "rank": number}} for number in range(8)]
        made = ada.BatchCreateDocuments(parent=office.folder, requests=requests).documents
        office.give(*(f"{one.name}#reader@users/{'carol' if one.rank % 2 else 'bob'}" for one in made))
        yield office


def names(answer: object) -> list[str]:
    return [one.name.rpartition("/")[2] for one in answer.documents]  # type: ignore[attr-defined]  # A ListDocumentsResponse.


@pytest.mark.parametrize("order", ["", "rank desc"])
def test_b10_the_page_token_of_another_caller_shows_nothing_but_ones_own(office: Office, order: str) -> None:
    bob, carol = office.door("bob"), office.door("carol")
    mine = {f"d{number}" for number in (1, 3, 5, 7)}
    token, pages = "", 0
    while not pages or token:
        page = bob.ListDocuments(parent=office.folder, order_by=order, page_size=1, page_token=token)
        token, pages = page.next_page_token, pages + 1
        if token:
            borrowed = carol.ListDocuments(parent=office.folder, order_by=order, page_token=token)
            assert set(names(borrowed)) <= mine
            stranger = office.door("eve").ListDocuments(parent=office.folder, order_by=order, page_token=token)
            assert not stranger.ListFields()
    assert pages == 4


def test_b10_a_right_that_is_gone_is_gone_for_the_pages_that_are_left(office: Office) -> None:
    bob = office.door("bob")
    first = bob.ListDocuments(parent=office.folder, page_size=1)
    office.take(*(f"{office.folder}/documents/d{number}#reader@users/bob" for number in (2, 4, 6)))
    rest = bob.ListDocuments(parent=office.folder, page_token=first.next_page_token)
    assert (list(rest.documents), rest.next_page_token, rest.total_size) == ([], "", 1)


def test_b10_the_request_id_of_another_caller_gives_no_answer_of_his(office: Office, refused: Refuse) -> None:
    ada, eve = office.door("ada"), office.door("eve")
    document = pb.Document(name=office.document, title="mine", draft="secret")
    one = str(uuid.uuid4())
    first = ada.UpdateDocument(document=document, request_id=one)
    assert first.draft == "secret"
    assert refused(eve.UpdateDocument, document=document, request_id=one).code == "PERMISSION_DENIED"
    office.give(f"{office.document}#reader@users/eve")
    assert refused(eve.UpdateDocument, document=document, request_id=one).code == "PERMISSION_DENIED"
    two = str(uuid.uuid4())
    group = {"group_id": f"{office.name}-own", "group": pb.Group()}
    ada.CreateGroup(**group, request_id=two)
    assert code_of(lambda: ada.CreateGroup(**group, request_id=two)) == "OK"
    assert refused(eve.CreateGroup, **group, request_id=two).code in {"ALREADY_EXISTS", "PERMISSION_DENIED"}


def test_b10_the_answer_that_is_kept_for_a_request_id_needs_the_right_again(office: Office, refused: Refuse) -> None:
    bob, one = office.door("bob"), str(uuid.uuid4())
    office.give(f"{office.document}#editor@users/bob")
    change = {"document": pb.Document(name=office.document, title="x"), "request_id": one}
    bob.UpdateDocument(**change)
    office.take(f"{office.document}#editor@users/bob")
    assert refused(bob.UpdateDocument, **change).code == "PERMISSION_DENIED"


def test_b10_a_service_does_not_get_the_answers_of_the_user_of_its_name(office: Office, refused: Refuse) -> None:
    user, one = office.door("robot"), str(uuid.uuid4())
    group = {"group_id": f"{office.name}-robot", "group": pb.Group(), "request_id": one}
    user.CreateGroup(**group)
    with closing(office.service_door("robot")) as service:
        assert refused(service.CreateGroup, **group).code in {"ALREADY_EXISTS", "PERMISSION_DENIED"}


def test_b10_an_etag_tells_who_may_not_write_nothing(office: Office, refused: Refuse) -> None:
    """A good one, a bad one, and one of what is not there are refused alike."""
    etag = office.door("ada").GetDocument(name=office.document).etag
    eve = office.door("eve")
    told = []
    for name, given in ((office.document, etag), (office.document, '"0000000000000000"'), (f"{office.document}x", etag)):
        for call, fields in (
            (eve.UpdateDocument, {"document": pb.Document(name=name, title="x", etag=given)}),
            (eve.DeleteDocument, {"name": name, "etag": given}),
        ):
            refusal = refused(call, **fields)
            told.append((refusal.code, refusal.reason, refusal.metadata["permission"], refusal.message.replace(name, "…")))
    assert len(set(told)) == 1

"""What callers can ask for at most, and what they can make of page tokens: numbers of the security checklist, through the port."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from protoplane.base import limits
from tests.door.client import Door, Refused
from tests.door.conftest import LIBRARY
from tests.door.service import Service

Refuse = Callable[..., Refused]
ASKED = {"filter": "page_count >= 0", "order_by": "page_count desc"}
URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture
def token(door: Door, lib: Any, publisher: str) -> str:
    """Of the second page of two books."""
    for number in range(3):
        door.CreateBook(parent=publisher, book_id=f"b{number}", book=lib.Book(title="x", page_count=number))
    return str(door.ListBooks(parent=publisher, page_size=2, **ASKED).next_page_token)


def test_b09_a_page_token_with_any_bit_changed_is_refused(door: Door, publisher: str, token: str, refused: Refuse) -> None:
    sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for place in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[place // 8] ^= 1 << place % 8
        forged = base64.urlsafe_b64encode(changed).decode().rstrip("=")
        refusal = refused(door.ListBooks, parent=publisher, page_token=forged, **ASKED)
        assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")
    for forged in (token[:-1], token + "A", token * 2, token[::-1], token + "=", "A" * limits.PAGE_TOKEN_BYTES_MAX, "\u2028", "../../x"):
        assert refused(door.ListBooks, parent=publisher, page_token=forged, **ASKED).reason == "INVALID_PAGE_TOKEN"


def test_b09_a_page_token_serves_no_other_list_and_gives_no_permission(
    served: Service, door: Door, lib: Any, publisher: str, token: str, refused: Refuse
) -> None:
    other = door.CreatePublisher(publisher=lib.Publisher(display_name="Other")).name
    for changed in ({"parent": other}, {"filter": ""}, {"filter": "page_count >= 1"}, {"order_by": "page_count"}, {"order_by": ""}):
        refusal = refused(door.ListBooks, page_token=token, **{"parent": publisher, **ASKED, **changed})
        assert refusal.reason == "INVALID_PAGE_TOKEN", changed
    assert refused(door.ListPublishers, page_token=token).reason == "INVALID_PAGE_TOKEN"
    for subject, code in (("nobody", "PERMISSION_DENIED"), ("", "UNAUTHENTICATED")):
        caller = served.door(subject)
        assert refused(caller.ListBooks, parent=publisher, page_token=token, **ASKED).code == code
        caller.close()
    reader = served.door("reader")
    (left,) = reader.ListBooks(parent=publisher, page_token=token, **ASKED).books
    reader.close()
    assert left.name == f"{publisher}/books/b0", "it says where to go on, and whoever may list may go on there"


def methods() -> Iterator[tuple[str, Any]]:
    """Every method of the contract, with its request class."""
    for module in LIBRARY.modules:
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield method.name, method.input_type._concrete_class


def test_b18_no_method_gives_or_takes_more_than_its_bound(door: Door, publisher: str, refused: Refuse) -> None:
    pages, batches = set(), set()
    for name, request_class in methods():
        fields = request_class.DESCRIPTOR.fields_by_name
        parent = {"parent": publisher} if name.endswith("Books") else {}
        if "page_size" in fields:
            pages.add(name)
            answer = getattr(door, name)(request_class(page_size=2**31 - 1, **parent))
            (rows,) = (value for field, value in answer.ListFields() if field.is_repeated) if answer.ListFields() else ((),)
            assert len(rows) <= limits.PAGE_ROWS_MAX
            assert answer.ByteSize() <= limits.PAGE_BYTES_MAX + 100_000
        for items in {"requests", "names", "writes"} & set(fields):
            batches.add(name)
            request = request_class(**parent)
            held = getattr(request, items)
            for _ in range(limits.BATCH_ITEMS_MAX + 1):
                held.append(f"{publisher}/books/x") if items == "names" else held.add()
            refusal = refused(getattr(door, name), request)
            assert refusal.code == "INVALID_ARGUMENT", name
            assert any(field.startswith(items) for field in refusal.violations), (name, refusal)
    assert {"ListBooks", "ListPublishers", "ListSpecimens"} <= pages
    assert {"BatchCreateBooks"} <= batches


def test_b18_no_method_takes_a_request_above_its_bound(served: Service) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{served.app.port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        for path in served.app.contract.methods:
            method: Any = channel.unary_unary(path)
            with pytest.raises(grpc.RpcError) as caught:
                method(b"\x00" * (limits.VALUE_BYTES_MAX + 1), timeout=20)
            assert caught.value.code().name == "RESOURCE_EXHAUSTED", path

"""Names of resources in the Python client: what is made of ids gives the same ids, and the server reads names likewise."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from protoplane.base import limits
from protoplane.contract.names import ANY, compile_patterns
from tests.client.library import Library
from tests.door.service import Service

pytestmark = pytest.mark.engines("sqlite")  # Clients do not know what is behind the server.

CHARACTERS = string.ascii_letters + string.digits + "._~-"
# The server bounds ids by its own limit, which clients do not know.
ids = st.text(CHARACTERS, min_size=1, max_size=limits.ID_CHARACTERS_MAX).filter(lambda text: text not in {".", ".."})
pieces = st.sampled_from(["publishers", "books", "", ".", "..", "-", "a", "B_~.-", "é", "{book}", "a b", "%2F", "\n", "a\n"])
texts = st.lists(pieces, max_size=6).map("/".join) | st.text(max_size=20)
MANY = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


def classes(library: Library, served: Service) -> dict[str, Any]:
    """The class of each resource's names, by the resource's type."""
    return {kind: getattr(library.names, f"{kind.rpartition('/')[2]}Name") for kind in served.app.contract.resources}


@MANY
@given(st.data())
def test_a_name_gives_back_the_ids_it_was_made_of(library: Library, served: Service, data: st.DataObject) -> None:
    for kind, name_class in classes(library, served).items():
        pattern = served.app.contract.resources[kind].pattern
        assert pattern.text == name_class.PATTERN
        chosen = {variable: data.draw(ids) for variable in pattern.variables}
        name = name_class(**chosen)
        text = name.format()
        assert text == str(name) == pattern.text.format(**chosen)
        assert name_class.parse(text) == name
        assert hash(name_class.parse(text)) == hash(name)
        assert name.wildcard == (ANY in chosen.values())
        assert f"{name.parent}/{text.split('/')[-2]}/{text.split('/')[-1]}".removeprefix("/") == text


@MANY
@given(texts)
@example("publishers/a/books/b")
@example("publishers/-/books/b")
@example("publishers/a/books/b\n")
@example("publishers/../books/b")
def test_client_and_server_read_the_same_names(library: Library, served: Service, text: str) -> None:
    patterns = compile_patterns(served.app.contract)
    for kind, name_class in classes(library, served).items():
        try:
            parsed = name_class.parse(text)
        except library.runtime.InvalidName:
            assert patterns[kind].parse_anywhere(text) is None
        else:
            ids = tuple(getattr(parsed, variable) for variable in patterns[kind].pattern.variables)
            # `-` as the last id is the client's way to say any at all; as the name of one resource the server refuses it.
            assert patterns[kind].parse_anywhere(text) == (None if ids[-1] == ANY else ids)


@pytest.mark.parametrize("value", ["", ".", "..", "a/books/b", "a b", "é", "a\n"])
def test_an_id_cannot_make_another_name(library: Library, value: str) -> None:
    with pytest.raises(library.runtime.InvalidName):
        library.names.BookName(publisher=value, book="b")


def test_a_wildcard_parent_lists_the_children_of_all(library: Library, client: Any) -> None:
    pb = library.pb
    made = set()
    for publisher in "one", "two":
        parent = client.create_publisher(publisher_id=f"wild-{publisher}", publisher=pb.Publisher(display_name="P")).name
        made.add(client.create_book(parent=parent, book_id="wild", book=pb.Book(title="wild")).name)
    everywhere = library.names.PublisherName(publisher=library.runtime.ANY)
    assert everywhere.wildcard
    assert {book.name for book in client.list_books(parent=everywhere.format(), filter='title = "wild"')} == made

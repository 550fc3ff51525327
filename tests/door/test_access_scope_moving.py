"""Pages of what may be seen while others give, take, ban and move: rows that were visible when their page was read, each once, in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from tests.door.conftest import Serve
from tests.door.service import Service
from tests.door.workspace import WORKSPACE, Office, pb

LISTS = 12
"""That are read, whole."""
DOCUMENTS = 12
"""In each folder."""
PAGE = 5


@dataclass(frozen=True)
class Change:
    """Documents that have become visible, or hidden, at some moment between two."""

    visible: bool
    began_seconds: float
    ended_seconds: float


@dataclass
class Mover:
    """Somebody who changes one thing back and forth, and the documents that are visible by it."""

    show: Callable[[], object]
    hide: Callable[[], object]
    names: frozenset[str]
    changes: list[Change] = field(default_factory=list)

    def run(self, ended: threading.Event) -> None:
        """Begin with what is hidden."""
        while not ended.is_set():
            for visible, change in ((True, self.show), (False, self.hide)):
                began = time.monotonic()
                change()
                self.changes.append(Change(visible, began, time.monotonic()))

    def may_be(self, visible: bool, began_seconds: float, ended_seconds: float) -> bool:
        """Whether they were, at some moment between two: a state lasts from the call that brings it to the end of the next."""
        states = [Change(visible=False, began_seconds=0.0, ended_seconds=0.0), *self.changes]
        ends = [*(one.ended_seconds for one in self.changes), float("inf")]
        return any(
            one.visible is visible and one.began_seconds <= ended_seconds and end >= began_seconds
            for one, end in zip(states, ends, strict=True)
        )


@dataclass(frozen=True)
class Page:
    """A page, and when it was read."""

    names: list[str]
    ranks: list[int]
    began_seconds: float
    ended_seconds: float


@pytest.fixture(scope="module")
def service(serve: Serve) -> Service:
    """A workspace of this module alone."""
    return serve(WORKSPACE)


def filled(office: Office, name: str) -> tuple[str, frozenset[str]]:
    """A folder with documents in it."""
    folder = office.folder_in(name)
    requests = [
        {"parent": folder, "document_id": f"{name}{n:02}", "document": pb.Document(title=name, rank=n % 4)} for n in range(DOCUMENTS)
    ]
    return folder, frozenset(one.name for one in office.door("ada").BatchCreateDocuments(parent=folder, requests=requests).documents)


def movers(office: Office) -> list[Mover]:
    """One for each way in which something becomes visible."""
    door = office.door("ada")

    def by_tuple(text: str, *, gives: bool) -> tuple[Callable[[], object], Callable[[], object]]:
        give, take = (lambda: office.give(text)), (lambda: office.take(text))
        return (give, take) if gives else (take, give)

    shared, names = filled(office, "shared")
    found = [Mover(*by_tuple(f"{shared}#viewer@users/bob", gives=True), names)]
    joined, names = filled(office, "joined")
    group = office.group("group")
    office.give(f"{joined}#viewer@{group}#member")
    found.append(Mover(*by_tuple(f"{group}#member@users/bob", gives=True), names))
    one = min(filled(office, "banned")[1])
    office.give(f"{one}#reader@users/bob", f"{one}#banned@users/bob")
    found.append(Mover(*by_tuple(f"{one}#banned@users/bob", gives=False), frozenset({one})))
    moved, names = filled(office, "moved")
    open_ = office.folder_in("open")
    office.give(f"{open_}#viewer@users/bob")

    def move(parent: str) -> Callable[[], object]:
        return lambda: door.UpdateFolder(folder=pb.Folder(name=moved, parent_folder=parent), update_mask={"paths": ["parent_folder"]})

    found.append(Mover(move(open_), move(office.folder), names))
    return found


@pytest.mark.parametrize("order", ["", "rank desc"])
def test_auth_18_pages_hold_what_was_visible_when_they_were_read(service: Service, order: str) -> None:
    with Office.of(service, f"moving-{'ranked' if order else 'named'}") as place:
        moving = movers(place)
        fixed, always = filled(place, "fixed")
        place.give(f"{fixed}#viewer@users/bob")
        with ThreadPoolExecutor(len(moving)) as pool:
            ended = threading.Event()
            running = [pool.submit(one.run, ended) for one in moving]
            try:
                lists = read(place, order)
            finally:
                ended.set()
            for one in running:
                one.result()
        assert all(len(one.changes) > 2 for one in moving)
        assert len({tuple(name for page in pages for name in page.names) for pages in lists}) > 1, "nobody moved anything"
        for pages in lists:
            judge(pages, moving, always, ranked=bool(order))


def read(place: Office, order: str) -> list[list[Page]]:
    """List after list."""
    bob, lists = place.door("bob"), list[list[Page]]()
    for _ in range(LISTS):
        pages, token = list[Page](), ""
        while not pages or token:
            began = time.monotonic()
            page = bob.ListDocuments(parent=f"{place.organisation}/folders/-", page_size=PAGE, page_token=token, order_by=order)
            found = page.documents
            pages.append(Page([one.name for one in found], [one.rank for one in found], began, time.monotonic()))
            token = page.next_page_token
        lists.append(pages)
    return lists


def judge(pages: list[Page], moving: list[Mover], always: frozenset[str], *, ranked: bool) -> None:
    """One list."""
    names = [name for page in pages for name in page.names]
    ranks = [rank for page in pages for rank in page.ranks]
    assert len(set(names)) == len(names), "a row comes once"
    keys = list(zip(ranks if ranked else [0] * len(names), names, strict=True))
    assert keys == sorted(keys, reverse=ranked)
    assert always <= set(names), "what is visible all the time is not left out"
    by_name = {name: one for one in moving for name in one.names}
    for page in pages:
        for name in set(page.names) - always:
            assert name in by_name, f"{name} was never visible"
            assert by_name[name].may_be(True, page.began_seconds, page.ended_seconds), f"{name} was hidden"
    first, last = pages[0].began_seconds, pages[-1].ended_seconds
    for one in moving:
        if not one.may_be(False, first, last):
            assert one.names <= set(names), "visible from the first page to the last"

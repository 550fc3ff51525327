"""What concurrent writers asked for and were told, and whether the final state is one that all of it can be true of.

Each write bears a tag of its own. A creation puts it into the title of one book, or of BATCH books; an update appends it to the tags of
a book that many write, guarded by the etag. So the state tells of every write how often it took effect.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.door.client import Door, Refused

BATCH = 5
SHARED = 2
"""Books that all writers update."""
CALL_SECONDS = 5.0
RETRY_SECONDS = 0.05
UNKNOWN = {"OUTCOME_UNKNOWN", "REQUEST_IN_PROGRESS"}
"""Reasons of ours that leave open whether the write took effect; of all others we say that it did not."""
DECISIVE = {"ETAG_MISMATCH", "RESOURCE_EXISTS"}
"""Reasons given by whoever has looked for an earlier answer to the same request_id and found none; others speak of their own call alone."""


@dataclass(eq=False)
class Write:
    """One write with one request_id, and how it ended."""

    method: str
    request: Any
    tag: str
    answer: Any = None
    """Of the call that succeeded."""
    refusals: list[Refused] = field(default_factory=list)
    state: str = "unknown"
    """`kept`, `refused`, or `unknown`: no answer, or one that does not say."""

    def call(self, door: Door) -> None:
        """Ask for it, for the first time or again. An answer given once must be given again."""
        try:
            answer = getattr(door, self.method)(self.request, seconds=CALL_SECONDS)
        except Refused as refusal:
            self._take_refusal(refusal)
        else:
            assert self.answer in (None, answer), f"{self.method} has two answers"
            assert self.state != "refused", f"{self.method} was refused, then acknowledged: {self.refusals}"
            self.answer, self.state = answer, "kept"

    def _take_refusal(self, refusal: Refused) -> None:
        assert self.answer is None, f"{self.method} was acknowledged, then refused: {refusal}"
        first = not self.refusals
        self.refusals.append(refusal)
        if refusal.reason in DECISIVE or (first and refusal.reason and refusal.reason not in UNKNOWN):
            self.state = "refused"


@dataclass
class History:
    """All writes of one test. `dial` makes a new door: a broken channel would wait a second before it connects again."""

    lib: Any
    parent: str
    dial: Callable[[], Door]
    writes: list[Write] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def share(self, door: Door) -> None:
        """Make the books that all writers update."""
        for number in range(SHARED):
            door.CreateBook(parent=self.parent, book_id=f"shared-{number}", book=self.lib.Book(title="shared"))

    def write(self, seed: int) -> None:
        """Be one writer until told to stop."""
        choice, door = random.Random(seed), self.dial()
        try:
            while not self.stop.is_set():
                write = self._next(choice, door)
                if write is None:
                    state = "unknown"
                else:
                    self.writes.append(write)
                    write.call(door)
                    state = write.state
                if state == "unknown":
                    door.close()
                    time.sleep(RETRY_SECONDS)
                    door = self.dial()
                    if write is not None and choice.random() < 0.5:
                        write.call(door)
        except BaseException as failure:  # noqa: BLE001 - the test looks at what was raised.
            self.failures.append(failure)
        finally:
            door.close()

    def _next(self, choice: random.Random, door: Door) -> Write | None:
        """A write of some kind; None when what it is about could not be read."""
        request_id, lib = str(uuid.UUID(int=choice.getrandbits(128), version=4)), self.lib
        tag = request_id[:13]
        match choice.randrange(3):
            case 0:
                book = lib.CreateBookRequest(parent=self.parent, book_id=f"b-{tag}", book=lib.Book(title=tag), request_id=request_id)
                return Write("CreateBook", book, tag)
            case 1:
                items = [lib.CreateBookRequest(book_id=f"b-{tag}-{i}", book=lib.Book(title=tag)) for i in range(BATCH)]
                return Write(
                    "BatchCreateBooks", lib.BatchCreateBooksRequest(parent=self.parent, requests=items, request_id=request_id), tag
                )
        try:
            found = door.GetBook(name=f"{self.parent}/books/shared-{choice.randrange(SHARED)}", seconds=CALL_SECONDS)
        except Refused:
            return None
        changed = lib.UpdateBookRequest(book=lib.Book(name=found.name, etag=found.etag, tags=[*found.tags, tag]), request_id=request_id)
        changed.update_mask.paths.append("tags")
        return Write("UpdateBook", changed, tag)

    def of(self, state: str) -> list[Write]:
        """The writes that ended so."""
        return [write for write in self.writes if write.state == state]

    def check(self, door: Door) -> None:
        """Compare with what is there: nothing acknowledged is lost, nothing refused is there, the rest is whole or absent; then all again."""
        assert not self.failures, self.failures[0]
        self.compare(door)
        for write in [*self.of("unknown"), *self.of("kept")[-200:]]:
            write.call(door)
            write.call(door)
        assert not self.of("unknown")
        self.compare(door)

    def compare(self, door: Door) -> None:
        """The state against all writes as they are known now."""
        effects = self.effects(door)
        for write in self.writes:
            whole = BATCH if write.method == "BatchCreateBooks" else 1
            allowed = {"kept": {whole}, "refused": {0}, "unknown": {0, whole}}[write.state]
            assert effects.pop(write.tag, 0) in allowed, f"{write.method} {write.tag} was {write.state}: {write.refusals}"
        assert not effects, "there is something that nobody asked for"

    def effects(self, door: Door) -> Counter[str]:
        """Tag → how often it is there."""
        found, token = Counter[str](), ""
        while True:
            page = door.ListBooks(parent=self.parent, page_size=1000, page_token=token)
            for book in page.books:
                found.update(book.tags if book.title == "shared" else [book.title])
            token = page.next_page_token
            if not token:
                return found

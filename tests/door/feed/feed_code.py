"""Streams as a team writes them, and as a team should not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from feed.v1.feed import Item, PourResponse, StreamItemsResponse  # type: ignore[import-not-found]  # Made by the server from the contract.
from peewee import fn

from protoplane.base.errors import Code, Fault, Reason, Refusal
from protoplane.method.custom import Call, Servicer


@dataclass
class Watched:
    """What a test sees of a stream, and does to it."""

    made: int = 0
    """Messages that were asked for."""
    waiting: threading.Event = field(default_factory=threading.Event)
    """It waits to be let on."""
    on: threading.Event = field(default_factory=threading.Event)
    """Lets it go on."""
    ended: threading.Event = field(default_factory=threading.Event)
    """Its `finally` has run."""
    connection: int = 0
    """What the database calls its connection, where it is a server's."""


STREAMS: dict[str, Watched] = {}
"""By key."""


class Feed(Servicer, service="feed.v1.Feed"):
    """All ways a stream may go."""

    def stream_items(self, call: Call, request: Any) -> Iterator[Any]:
        """Each item, with a question of its own to the database."""
        items: Any = call.model(Item)
        asked = items.select(items.item, items.title, items.note).order_by(items.item)
        if request.title:
            asked = asked.where(items.title == request.title)
        for item, title, note in list(asked.tuples()):
            (total,) = items.select(fn.COUNT(items.item)).tuples().first()
            yield StreamItemsResponse(item=Item(name=f"items/{item}", title=title, note=note), total=total)

    def pour(self, call: Call, request: Any) -> Iterator[Any]:
        """As many messages as were asked for, and what shall happen then."""
        seen = STREAMS.setdefault(request.key, Watched())
        message, load = PourResponse(), bytes(request.size)
        try:
            if request.fate == "ask":
                seen.connection = call.session._connection.thread_id()  # type: ignore[attr-defined]
            number = 0
            while not request.count or number < request.count:
                number += 1
                message.number, message.load = number, load  # One message for all: what was sent is not looked at again.
                seen.made = number
                yield message
            yield from end(call, request, seen)
        finally:
            seen.ended.set()


def end(call: Call, request: Any, seen: Watched) -> Iterator[Any]:
    """As the caller wishes."""
    match request.fate:
        case "fault":
            raise Fault(Reason.RESOURCE_NOT_FOUND, name="items/gone")
        case "refusal":
            raise Refusal(Code.FAILED_PRECONDITION, "DRY", domain="feed.v1", text="'{name}' has run dry.", name="well")
        case "bug":
            raise RuntimeError("a canary in an exception")
        case "exit":
            raise SystemExit("a canary at the exit")
        case "other":
            yield Item(name="items/other")
        case "write":
            call.as_service().create(Item(title="written"))
        case "wait" | "ask":
            seen.waiting.set()
            while not seen.on.wait(0.01) and not call.cancelled():
                pass
            items: Any = call.model(Item)
            (count,) = items.select(fn.COUNT(items.item)).tuples().first()
            yield PourResponse(number=-count)

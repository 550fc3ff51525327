"""Resources by many names, made of their rows a piece at a time: of huge ones no more than an answer has room for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from google.protobuf.message import Message

from protoplane.base import limits
from protoplane.base.errors import Fault, Reason
from protoplane.method.rows import Ids
from protoplane.store.codec import Row
from protoplane.store.keyed import KeyedColumns
from protoplane.store.session import Session


def gather(
    session: Session, shown: KeyedColumns, wanted: Sequence[Ids], make: Callable[[Ids, Row], Message]
) -> tuple[dict[Ids, Message], Sequence[Ids]]:
    """The resources that are there, made of their rows, and those that were not read: one answer could not hold all before them."""
    made: dict[Ids, Message] = {}
    room = limits.PAGE_BYTES_MAX
    for found, left in shown.in_pieces(session, wanted):
        new = {ids: make(ids, row) for ids, row in found.items()}
        made |= new
        if left:
            room -= sum(message.ByteSize() for message in new.values())
            if room < 0:
                return made, left
    return made, ()


def missing(wanted: Sequence[Ids], found: Mapping[Ids, object]) -> Ids | None:
    """The first that is not there."""
    return next((ids for ids in wanted if ids not in found), None)


def too_large() -> Fault:
    """The refusal of an answer that clients could not take."""
    return Fault(Reason.ANSWER_TOO_LARGE, bytesMax=str(limits.PAGE_BYTES_MAX))


def sendable(message: Message, *, whole: bool) -> Message:
    """One resource with what its references fill it with, if that can be sent at all. Raises Fault ANSWER_TOO_LARGE.

    `whole`: whether all that it names was read.
    """
    if not whole or message.ByteSize() > limits.ANSWER_BYTES_MAX:
        raise too_large()
    return message


def bounded(response: Message, items: int) -> Message:
    """An answer of so many resources, if clients can take it; one alone always has room. Raises Fault ANSWER_TOO_LARGE."""
    if items > 1 and response.ByteSize() > limits.PAGE_BYTES_MAX:
        raise too_large()
    return response

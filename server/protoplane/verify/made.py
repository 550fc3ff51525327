"""What was made on the server, so that all of it is taken away again: children first, whatever happened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final, final

from protoplane.verify.exchange import Exchange, Message
from protoplane.verify.resources import Kind, Role

UNSURE: Final = frozenset({"UNKNOWN", "INTERNAL", "DEADLINE_EXCEEDED", "CANCELLED", "UNAVAILABLE", "DATA_LOSS"})
"""Codes after which a write may have happened."""


@dataclass(frozen=True, slots=True)
class Left:
    """A resource that could not be taken away."""

    name: str
    why: str
    allowed: bool = False
    """Nothing could delete it, which was known and allowed."""


@final
class Made:
    """Names of resources that are ours, in the order in which they were made."""

    def __init__(self) -> None:
        self._kinds: dict[str, Kind] = {}
        self._unsure: set[str] = set()
        self._deleted: set[str] = set()
        """Types of which some could be deleted."""
        self._lock = threading.Lock()

    def names(self, kind: Kind) -> list[str]:
        """Those of one kind that are there for certain."""
        with self._lock:
            return [name for name, other in self._kinds.items() if other is kind and name not in self._unsure]

    def note(self, kind: Kind, role: Role, exchange: Exchange, intended: str) -> None:
        """Remember what a call did. `intended` is the name that a Create was to give, which was added as unsure before it was made."""
        match role:
            case Role.CREATE | Role.UPDATE | Role.UNDELETE:
                if exchange.ok:
                    self.add(kind, getattr(exchange.response, kind.name_field) or intended)
                elif exchange.code not in UNSURE:
                    self._withdraw(intended)
            case Role.BATCH_CREATE | Role.BATCH_UPDATE:
                for one in self._rows(kind, role, exchange):
                    self.add(kind, getattr(one, kind.name_field))
            case Role.DELETE:
                if exchange.ok and not getattr(exchange.request, "validate_only", False):
                    self._deleted.add(kind.type)
                    self.forget(exchange.request.name)
            case _:
                pass

    def _rows(self, kind: Kind, role: Role, exchange: Exchange) -> Iterator[Message]:
        field = kind.rows_field(role)
        yield from getattr(exchange.response, field) if exchange.ok and field else ()

    def add(self, kind: Kind, name: str, *, unsure: bool = False) -> None:
        """Remember one; `unsure` when it may not be there."""
        if not name:
            return
        with self._lock:
            if name not in self._kinds:
                self._kinds[name] = kind
                if unsure:
                    self._unsure.add(name)
            elif not unsure:
                self._unsure.discard(name)

    def _withdraw(self, name: str) -> None:
        """It was not made after all."""
        with self._lock:
            if name in self._unsure:
                self._unsure.remove(name)
                del self._kinds[name]

    def forget(self, name: str) -> None:
        """It is gone."""
        with self._lock:
            self._kinds.pop(name, None)
            self._unsure.discard(name)

    def take_away(
        self,
        delete: Callable[[Kind, str], Exchange],
        children: Callable[[Kind, str], Iterator[tuple[Kind, str]]],
        *,
        read: Callable[[Kind, str], bool],
        kept: Collection[str] = (),
    ) -> list[Left]:
        """Delete everything but what is in `kept`, the latest first; what stays is told. A second round takes what was in the way."""
        left: list[Left] = []
        for _ in range(2):
            left = []
            for name in reversed([name for name in self._kinds if name not in kept]):
                kind = self._kinds[name]
                why = self._take(kind, name, delete, children, read)
                if why:
                    left.append(Left(name, why, allowed=Role.DELETE not in kind.methods))
                else:
                    self.forget(name)
            if not left:
                break
        return left

    def _take(
        self,
        kind: Kind,
        name: str,
        delete: Callable[[Kind, str], Exchange],
        children: Callable[[Kind, str], Iterator[tuple[Kind, str]]],
        read: Callable[[Kind, str], bool],
    ) -> str:
        """Delete one; says why it stays, or nothing. One that may never have been made is gone when it cannot be read.

        So is one that may not be deleted where others were: whoever may do something with a resource by a relation may do nothing with
        one that is not there, and is not told that it is not (AIP-211).
        """
        found = delete(kind, name)
        if found.code in {"FAILED_PRECONDITION", "ABORTED", "INVALID_ARGUMENT"}:
            for other, child in children(kind, name):  # Below a parent of ours everything is ours.
                delete(other, child)
                self.forget(child)
            found = delete(kind, name)
        doubtful = name in self._unsure or (found.code == "PERMISSION_DENIED" and kind.type in self._deleted)
        gone = found.ok or found.code == "NOT_FOUND" or (doubtful and not read(kind, name))
        if found.ok:
            self._deleted.add(kind.type)
        return "" if gone else f"{found.code}: {found.message}"

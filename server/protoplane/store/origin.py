"""Where the writes of one transaction come from: what all its entries in the change log have in common."""

from __future__ import annotations

import secrets

TRANSACTION_BYTES = 16
TIME_BYTES = 8
"""Of a transaction's id, in front: its time, so that ids sort by time and the oldest entries are one end of the table."""


class Origin:
    """Who writes, by which method, in which call. Made for each run of a transaction: one that is run again has another id."""

    __slots__ = ("_transaction", "actor", "call_id", "entries", "issuer", "method", "now_micros", "request_id")

    def __init__(self, *, actor: str, issuer: str, method: str, call_id: str, request_id: str, now_micros: int) -> None:
        self.actor, self.issuer, self.method = actor, issuer, method
        self.call_id = call_id
        """The id of the call in logs and errors."""
        self.request_id = request_id
        """The `request_id` that the caller gave, if any."""
        self.now_micros = now_micros
        self.entries = 0
        """Entries made so far; those behind a savepoint that was rolled back count, so ordinals may have gaps."""
        self._transaction = b""

    @property
    def transaction(self) -> bytes:
        """The transaction's id: its time, then 64 random bits. Made when first asked for: most transactions of a replay write nothing."""
        if not self._transaction:
            self._transaction = time_prefix(self.now_micros) + secrets.token_bytes(TRANSACTION_BYTES - TIME_BYTES)
        return self._transaction


def time_prefix(micros: int) -> bytes:
    """The beginning of the ids of a time; as a value it stands before all of them."""
    return micros.to_bytes(TIME_BYTES, "big")


def service(task: str, now_micros: int) -> Origin:
    """Of work that no caller asked for, such as `housekeeping.purge`."""
    return Origin(actor="", issuer="", method=task, call_id="", request_id="", now_micros=now_micros)

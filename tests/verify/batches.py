"""The batches of the attic: each is done whole, or not at all, unless it is wrong."""

from __future__ import annotations

from typing import Any

import grpc

from tests.verify.foreign import PACKAGE, Attic, Refused, contract, invalid


class Batching(Attic):
    """The attic with batches of things."""

    def batchget(self, word: str, request: Any) -> Any:
        """BatchGet."""
        if not request.names and not self.has("batches may be empty"):
            raise invalid("names", "is empty")
        names = [self.parsed("names", name, word) for name in request.names]
        if request.parent and not all(name.startswith(f"{request.parent}/") for name in names):
            raise invalid("parent", "is not that of the names")
        if self.has("batches leave out what is missing"):
            names = [name for name in names if name in self.rows]
        names = sorted(names) if self.has("batches are sorted") else names
        return self._answer("BatchGet", [self.found(name) for name in names])

    def batchcreate(self, word: str, request: Any) -> Any:
        """BatchCreate."""
        before = dict(self.rows)
        made = []
        try:
            for one in request.requests:
                if request.parent not in {"", one.parent} and not self.has("children of others come along"):
                    raise invalid("requests", "has another parent")
                made.append(self.create(word, one))
        except Refused:
            if not self.has("batches stop in the middle"):
                self.rows.clear()
                self.rows.update(before)
            raise
        return self._answer("BatchCreate", made)

    def batchdelete(self, word: str, request: Any) -> Any:
        """BatchDelete."""
        names = [self.parsed("names", name, word) for name in request.names]
        for name in names:
            if name not in self.rows and not self.has("batches stop in the middle"):
                raise Refused(grpc.StatusCode.NOT_FOUND, f"'{name}' was not found", name=name)
        for name in names:
            self.found(name)
            del self.rows[name]
        return contract().messages["google.protobuf.Empty"]()

    def _answer(self, verb: str, rows: list[Any]) -> Any:
        response: Any = contract().messages[f"{PACKAGE}.{verb}ThingsResponse"]()
        response.things.extend(rows)
        return response

"""Rows into a server: batches of creates, a few under way at once, each with a request_id so that a retry has one effect."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import grpc

from protoplane.base import limits
from protoplane.cli.door import ROW_FAULTS, Door, Future, Refused, answer
from protoplane.cli.tables import BadRow, Row
from protoplane.contract.casing import snake
from protoplane.contract.model import Contract, Method, MethodKind, Resource

BATCH_BYTES_MAX = limits.VALUE_BYTES_MAX // 4
"""Bytes of one request, well below what a server takes."""


class CannotLoad(ValueError):
    """The contract has no way to create this resource."""


class Progress(Protocol):
    """What wants to know how far it is."""

    def __call__(self, created: int, /) -> None:
        """So many rows have been created now."""
        ...


class Reject(Protocol):
    """Where bad rows go; raising stops the load."""

    def __call__(self, line: int, source: object, problem: str, /) -> None:
        """One row that was not created."""
        ...


@dataclass(frozen=True, slots=True)
class Creation:
    """How the contract creates one kind of resource: many in a call if it can, else one by one."""

    method: Method
    create: Method
    resource_field: str
    id_field: str
    """Empty where the server makes the ids."""
    has_parent: bool
    one_parent: bool
    """Whether all rows of a call must have one parent: the batch request demands its own."""
    rows_max: int

    def request(self, rows: list[Row], *, rehearse: bool) -> bytes:
        """The bytes of one call that creates these rows."""
        items = [self._item(row) for row in rows]
        if self.method is self.create:
            keywords = items[0]
        else:
            parents = {row.parent for row in rows}
            keywords = {"requests": items}
            if self.method.request_field("parent") and len(parents) == 1:
                keywords["parent"] = parents.pop()
        if self.method.request_field("request_id"):
            keywords["request_id"] = str(uuid.uuid4())
        if rehearse:
            keywords["validate_only"] = True
        return self.method.request_class(**keywords).SerializeToString()

    def _item(self, row: Row) -> dict[str, object]:
        item: dict[str, object] = {self.resource_field: row.keywords}
        if self.id_field and row.id:
            item[self.id_field] = row.id
        if self.has_parent and row.parent:
            item["parent"] = row.parent
        return item


def creation_of(contract: Contract, resource: Resource, rows_max: int = limits.BATCH_ITEMS_MAX) -> Creation:
    """How this contract creates the resource. Raises CannotLoad."""
    kinds = {
        method.kind: method for method in contract.methods.values() if method.resource is not None and method.resource.type == resource.type
    }
    create, batch = kinds.get(MethodKind.CREATE), kinds.get(MethodKind.BATCH_CREATE)
    if create is None:
        raise CannotLoad(f"the contract has no Create{resource.message.name} method; add it: protoplane scaffold {resource.message.name}")
    held = next(
        each.name for each in create.request_fields if each.message is not None and each.message.full_name == resource.message.full_name
    )
    id_field = f"{snake(held)}_id"
    parent = batch.request_field("parent") if batch else None
    return Creation(
        method=batch or create,
        create=create,
        resource_field=held,
        id_field=id_field if create.request_field(id_field) else "",
        has_parent=create.request_field("parent") is not None,
        one_parent=parent is not None and "REQUIRED" in parent.behaviors,
        rows_max=rows_max if batch else 1,
    )


class Present(Protocol):
    """What knows which resources exist. Raises Refused and CannotLoad when it cannot be asked."""

    def __call__(self, parent: str, ids: Sequence[str], /) -> set[str]:
        """Those of the ids below a parent that exist."""
        ...


@dataclass(slots=True)
class Load:
    """One run: how many rows were created, were there already, or were rejected."""

    door: Door
    creation: Creation
    reject: Reject
    progress: Progress
    present: Present | None = None
    """Asked, once a batch, which of its rows are there, when those are to be skipped; without it halving finds them."""
    in_flight_max: int = 4
    rehearse: bool = False
    skip_existing: bool = False
    isolate: bool = False
    """Whether bad rows are found and left out; otherwise the first bad batch stops the load."""
    created: int = 0
    skipped: int = 0
    rejected: int = 0
    _start: Callable[[bytes], Future] = field(init=False)

    def __post_init__(self) -> None:
        self._start = self.door.starter(self.creation.method)

    def run(self, rows: Iterable[Row | tuple[BadRow, object]]) -> None:
        """Create them all. Raises Refused for what no other row would be spared, and whatever `reject` raises."""
        flying: deque[tuple[list[Row], bytes, Future]] = deque()
        for batch in self._batches(rows):
            request = self.creation.request(batch, rehearse=self.rehearse)
            if len(request) > 3 * BATCH_BYTES_MAX and len(batch) > 1:
                self._split(batch)
                continue
            flying.append((batch, request, self._start(request)))
            if len(flying) >= self.in_flight_max:
                self._settle(*flying.popleft())
        while flying:
            self._settle(*flying.popleft())

    def _batches(self, rows: Iterable[Row | tuple[BadRow, object]]) -> Iterator[list[Row]]:
        batch: list[Row] = []
        characters = 0
        for row in rows:
            if isinstance(row, tuple):
                bad, source = row
                self.rejected += 1
                self.reject(bad.line, source, f"{bad.column}: {bad.problem}" if bad.column else bad.problem)
                continue
            full = len(batch) >= self.creation.rows_max or characters + row.characters > BATCH_BYTES_MAX
            if batch and (full or (self.creation.one_parent and row.parent != batch[0].parent)):
                yield batch
                batch, characters = [], 0
            batch.append(row)
            characters += row.characters
        if batch:
            yield batch

    def _settle(self, batch: list[Row], request: bytes, call: Future) -> None:
        try:
            answer(self._start, request, call)
        except Refused as refusal:
            self._refuse(batch, refusal)
        else:
            self.created += len(batch)
            self.progress(self.created)

    def _refuse(self, batch: list[Row], refusal: Refused) -> None:
        """Leave the bad rows out and create the others: halving finds those that the answer does not name."""
        if refusal.code not in ROW_FAULTS:
            raise refusal
        bad = self._blamed(batch, refusal)
        existing = refusal.code is grpc.StatusCode.ALREADY_EXISTS and self.skip_existing
        if existing and len(batch) > 1:
            bad |= dict.fromkeys(self._there(batch), "")
        if not existing and not self.isolate:
            at = min(bad, default=None)
            if at is None:
                raise BadRow(batch[0].line, "", f"(or a row up to line {batch[-1].line}) {refusal}")
            raise BadRow(batch[at].line, "", bad[at])
        for at, text in bad.items():
            if existing:
                self.skipped += 1
            else:
                self.rejected += 1
                self.reject(batch[at].line, batch[at].source, text)
        self._split([row for at, row in enumerate(batch) if at not in bad])

    def _there(self, batch: list[Row]) -> list[int]:
        """Positions of the rows whose resources exist, as far as the caller may ask: a thousand by a few calls instead of two each."""
        ids = [row.id for row in batch]
        if self.present is None or not all(ids) or len({row.parent for row in batch}) > 1:
            return []
        try:
            found = self.present(batch[0].parent, ids)
        except (Refused, CannotLoad):
            self.present = None  # The caller may create but not list, or there is no filter: not asked again.
            return []
        return [at for at, own in enumerate(ids) if own in found]

    def _blamed(self, batch: list[Row], refusal: Refused) -> dict[int, str]:
        """What is wrong with which rows, by position: from the fields or the resource name that the answer gives."""
        if len(batch) == 1:
            return {0: (refusal.rows or {}).get(0, refusal.text)}
        fields = {at: text for at, text in (refusal.rows or {}).items() if at < len(batch)}
        if fields or not refusal.name:
            return fields
        parent, _, own = refusal.name.rpartition("/")
        return {at: refusal.text for at, row in enumerate(batch) if row.id == own and parent.startswith(row.parent)}

    def _split(self, rows: list[Row]) -> None:
        half = (len(rows) + 1) // 2
        for part in (rows[:half], rows[half:]):
            if part:
                request = self.creation.request(part, rehearse=self.rehearse)
                self._settle(part, request, self._start(request))


def find_resource(contract: Contract, name: str) -> Resource:
    """The resource a person means: `Flight`, `flights` or its type. Raises CannotLoad."""
    wanted = name.lower()
    for resource in contract.resources.values():
        spellings = (resource.type, resource.message.name, resource.message.full_name, resource.singular, resource.plural)
        if wanted in {spelling.lower() for spelling in spellings}:
            return resource
    known = ", ".join(dict.fromkeys(resource.message.name for resource in contract.resources.values()))
    raise CannotLoad(f"the contract has no resource '{name}'; it has {known or 'none'}")

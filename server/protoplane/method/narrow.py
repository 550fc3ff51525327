"""What a read mask makes of a resource: fewer columns read, fewer fields filled, and expansions.

A mask is compiled once and kept: the columns it needs, a generated reader for them, and for each expansion the same of the
resource that fills it. A page is then one statement, and one more for each expansion, whatever its size.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

from protoplane.base import limits
from protoplane.contract.expansions import reference_of
from protoplane.contract.model import Behavior, Field, Label, MethodKind
from protoplane.method.call import Call
from protoplane.method.gather import gather, missing, sendable, too_large
from protoplane.method.many import ManyRows
from protoplane.method.rows import Ids, Rows
from protoplane.method.singleton import SingletonRows
from protoplane.query.mask import refuse_mask
from protoplane.query.read_mask import Inside, Part, ReadMasks, needs_trim, trim
from protoplane.store.codec import Row, compile_fill
from protoplane.store.keyed import KeyedColumns, KeyedRows
from protoplane.store.schema import ColumnShape
from protoplane.store.session import Session
from protoplane.store.tables import Form, Leaf, row_bytes_max

NARROWS_KEPT_MAX = 128
"""Compiled masks kept per resource; callers choose them, so they are bounded. The oldest goes first."""

KEPT_CHARACTERS_MAX = 2_048
"""Of all paths of a mask that is kept; a longer one is compiled for every call."""


Attach = Callable[[Message, Row], bool]
"""Fills the expansions of a row's message; false when something that they name was not read, because it has no room in one answer.

That is so only where what the rows before it name, and those it names itself, are more than an answer holds.
"""


@dataclass(frozen=True, slots=True)
class Narrow:
    """What a mask reads of one resource."""

    reading: Reading
    columns: Sequence[ColumnShape]
    """The key columns first, then the row version."""
    shown: KeyedColumns
    """The same columns, by key."""
    fill: Callable[[Message, Row], None]
    """Set the fields that the mask names in an empty message, from a row of these columns."""
    expansions: tuple[Expansion, ...]
    lighter: Callable[[Row], Row]
    """What of a row its expansions, and its place in an order, need: without the rest of long texts, which its message has already."""

    def find(self, call: Call, ids: Ids) -> Message:
        """The resource; Fault RESOURCE_NOT_FOUND."""
        rows = self.reading.rows
        row = self.shown.row(call.session, ids)
        if row is None:
            row = self.reading.default(call.session, ids, self.columns)
        if row is None:
            raise rows.not_found(ids)
        message = rows.resource.message_class()
        self.fill(message, row)
        rows.show(call, [(ids, message)])
        return sendable(message, whole=self.expand(call, [row])(message, row)) if self.expansions else message

    def find_all(self, call: Call, wanted: Sequence[Ids]) -> list[Message]:
        """The resources, in the order wanted. Raises Fault RESOURCE_NOT_FOUND for the first that is not there, ANSWER_TOO_LARGE."""
        found, unread = self.gather(call, wanted)
        if unread:
            raise too_large()
        absent = missing(wanted, found)
        if absent is not None:
            raise self.reading.rows.not_found(absent)
        if len(wanted) == 1 and self.expansions:
            sendable(found[wanted[0]], whole=True)
        return [found[ids] for ids in wanted]

    def gather(self, call: Call, wanted: Sequence[Ids]) -> tuple[dict[Ids, Message], frozenset[Ids]]:
        """The resources that are there, with what fills them, and those that were not read because one answer could not hold them."""
        new, rows = self.reading.rows.resource.message_class, dict[Ids, Row]()

        def make(ids: Ids, row: Row) -> Message:
            message = new()
            self.fill(message, row)
            if self.expansions:
                rows[ids] = self.lighter(row)
            return message

        found, left = gather(call.session, self.shown, wanted, make)
        for ids, row in self.reading.defaults(call.session, wanted, {*found, *left}, self.columns).items():
            found[ids] = make(ids, row)
        self.reading.rows.show(call, list(found.items()))
        if not self.expansions:
            return found, frozenset(left)
        attach = self.expand(call, rows.values())
        partial = [ids for ids, row in rows.items() if not attach(found[ids], row)]
        for ids in partial:
            del found[ids]
        return found, frozenset((*left, *partial))

    def authorise(self, call: Call) -> None:
        """Fault PERMISSION_DENIED unless the caller may read the resources that expansions name, by the rules of their Get methods.

        Of those whose rule asks about each, what he may not read is left out (`Expansion.read`).
        """
        for expansion in () if call.trusted else self.expansions:
            resource = expansion.narrow.reading.rows.resource
            call.resources[resource.message_class].authorise_kind(call, MethodKind.GET)
            expansion.narrow.authorise(call)

    def expand(self, call: Call, rows: Collection[Row]) -> Attach:
        """Read what the expansions of these rows name, a statement each while it is of ordinary size."""
        steps = [expansion.read(call, rows) for expansion in self.expansions]

        def attach(message: Message, row: Row) -> bool:
            return all(step(message, row) for step in steps)

        return attach


@dataclass(frozen=True, slots=True)
class Expansion:
    """A field that a reference fills, as one mask wants it."""

    field: Field
    narrow: Narrow
    """Of the resource that fills it."""
    keys: Callable[[Row], Sequence[Ids]]
    """What the reference of a row names; nothing for what is no name."""
    source: str
    """Where the mask stands in the request."""

    def read(self, call: Call, rows: Collection[Row]) -> Attach:
        """Read all that the rows name. What is not there is left out."""
        keys = self.keys
        named = list(dict.fromkeys(ids for row in rows for ids in keys(row)))
        if len(named) > limits.EXPANDED_ROWS_MAX:
            problem = (
                f"it names {len(named)} resources, and {limits.EXPANDED_ROWS_MAX} at most can be filled in one answer; ask for fewer rows."
            )
            raise refuse_mask(self.field.path, problem, self.source)
        named = self._readable(call, named)
        found, unread = self.narrow.gather(call, named)
        place = _place(self.field)

        def step(message: Message, row: Row) -> bool:
            for ids in keys(row):
                other = found.get(ids)
                if other is not None:
                    place(message).CopyFrom(other)
                elif ids in unread:
                    return False
            return True

        return step

    def _readable(self, call: Call, named: list[Ids]) -> list[Ids]:
        """Those that the caller may read: to him the others are not there."""
        stored = call.resources[self.narrow.reading.rows.resource.message_class]
        return [ids for ids, may in zip(named, stored.readable(call, named), strict=True) if may] if named else named


class Reading:
    """One resource as masks read it."""

    def __init__(self, rows: Rows, keyed: KeyedRows, others: Mapping[str, Reading], inside: Inside) -> None:
        resource, self.inside = rows.resource, inside
        self.rows, self.keyed = rows, keyed
        self._others = others
        self._masks = ReadMasks(resource.fields, inside, f"the resource '{resource.singular}'")
        self._kept: dict[tuple[str, tuple[str, ...]], Narrow | None] = {}
        self._keeping = threading.Lock()

    def default(self, session: Session, ids: Ids, columns: Sequence[ColumnShape]) -> Row | None:
        """What a singleton holds before it is written, in these columns; None for everything else that has no row."""
        row = self.rows.default(session, ids)
        return None if row is None else self._shown(row, columns)

    def defaults(self, session: Session, wanted: Sequence[Ids], known: Collection[Ids], columns: Sequence[ColumnShape]) -> dict[Ids, Row]:
        """The same of many, by key, but those that are known: of those whose parents are there, which one statement tells."""
        rows = self.rows
        if not isinstance(rows, SingletonRows):
            return {}
        several = [ids for ids in wanted if ids not in known]
        above = self._others.get(rows.resource.parent)
        there: Iterable[Ids] = several if above is None else above.keyed.showing(above.rows.table.keys).rows(session, several)
        return {ids: self._shown(rows.unwritten_row(ids), columns) for ids in there}

    def _shown(self, row: Row, columns: Sequence[ColumnShape]) -> Row:
        values = {column.name: value for column, value in zip(self.rows.table.columns, row, strict=True)}
        return tuple(values[column.name] for column in columns)

    def of(self, paths: Sequence[str], source: str) -> Narrow | None:
        """What these paths read; None for everything that is stored. Raises Fault INVALID_FIELD_MASK."""
        key = (source, tuple(paths))
        kept = self._kept.get(key, self)  # Itself is no value: None is one, and another thread may take an entry away meanwhile.
        if not isinstance(kept, Reading):
            return kept
        narrow = self.of_part(self._masks.read(paths, source), source)
        if sum(map(len, paths)) <= KEPT_CHARACTERS_MAX:
            with self._keeping:
                if len(self._kept) >= NARROWS_KEPT_MAX:
                    del self._kept[next(iter(self._kept))]
                self._kept[key] = narrow
        return narrow

    def of_part(self, part: Part, source: str) -> Narrow | None:
        """The same, of a mask that was read."""
        if part.whole and not any(field.expand and field.name in part.fields for field in self.rows.resource.fields):
            return None
        return self.compile(part, source)

    def compile(self, part: Part, source: str) -> Narrow:
        """What a mask that was read reads."""
        expansions = [field for field in self.rows.resource.fields if field.expand and field.name in part.fields]
        columns = self.rows.table.columns if part.whole else self._columns(part, expansions)
        return Narrow(
            reading=self,
            columns=columns,
            shown=self.keyed.showing(columns),
            fill=self._fill(part, columns),
            expansions=tuple(self._expansion(field, part.fields[field.name], columns, source) for field in expansions),
            lighter=self._lighter(columns, expansions),
        )

    def _columns(self, part: Part, expansions: Sequence[Field]) -> tuple[ColumnShape, ...]:
        table = self.rows.table
        references = {field.expand for field in expansions}
        leaves = [leaf for leaf in table.leaves if _is_shown(leaf.field, part) or leaf.field.path in references]
        wanted = {column.name for leaf in leaves for column in leaf.columns}
        fixed = len(table.keys) + 1
        return (*table.columns[:fixed], *(column for column in table.columns[fixed:] if column.name in wanted))

    def _lighter(self, columns: Sequence[ColumnShape], expansions: Sequence[Field]) -> Callable[[Row], Row]:
        references = {field.expand for field in expansions}
        needed = {column.name for leaf in self.rows.table.leaves if leaf.field.path in references for column in leaf.columns}
        heavy = [at for at, column in enumerate(columns) if row_bytes_max((column,)) is None and column.name not in needed]
        count = len(columns)

        def lighter(row: Row) -> Row:
            values = list(row)
            for at in (*heavy, *range(count, len(row))):  # Behind the columns of the mask stand those of the order.
                value = values[at]
                values[at] = value[: limits.SORT_CHARACTERS_MAX] if isinstance(value, str) else None if isinstance(value, bytes) else value
            return tuple(values)

        return lighter if heavy else lambda row: row

    def _fill(self, part: Part, columns: Sequence[ColumnShape]) -> Callable[[Message, Row], None]:
        rows = self.rows
        fill = rows.codec.fill if part.whole else compile_fill(rows.table, columns, lambda field: _is_shown(field, part))
        clear = rows.checks.clear_input_only
        trims = not part.whole and needs_trim(part, rows.resource.fields)

        def narrowed(message: Message, row: Row) -> None:
            fill(message, row)
            clear(message)
            if trims:
                trim(message, part)

        return narrowed

    def _expansion(self, field: Field, part: Part, columns: Sequence[ColumnShape], source: str) -> Expansion:
        reference = reference_of(self.rows.resource, field)
        assert reference is not None
        other = self._others[reference.reference]
        narrow = other.compile(part if field.label is Label.SINGULAR else part.element(), source)
        leaf = next(leaf for leaf in self.rows.table.leaves if leaf.field is reference)
        return Expansion(field, narrow, _keys(leaf, columns, other.rows), source)


def _is_shown(field: Field, part: Part) -> bool:
    return not field.has(Behavior.INPUT_ONLY) and part.names(field.path)


def _keys(leaf: Leaf, columns: Sequence[ColumnShape], target: Rows) -> Callable[[Row], Sequence[Ids]]:
    """From a row to the keys of what its reference names."""
    names = [column.name for column in columns]
    first, *others = [names.index(column.name) for column in leaf.columns]
    if leaf.form is Form.NAME:

        def one(row: Row) -> Sequence[Ids]:
            return ((row[first], *(row[at] for at in others)),) if row[first] else ()

        return one
    parse = target.pattern.parse

    def many(row: Row) -> Sequence[Ids]:
        parsed = [parse(name) for name in json.loads(row[first] or "[]")]
        return [ids for ids in parsed if ids is not None]

    return many


def _place(field: Field) -> Callable[[Message], Message]:
    """Where the resource goes that fills an expansion: an empty message, which is there from now on."""
    name = field.name

    def only(message: Message) -> Message:
        inner: Message = getattr(message, name)
        inner.SetInParent()
        return inner

    def another(message: Message) -> Message:
        inner: Message = getattr(message, name).add()
        return inner

    return only if field.label is Label.SINGULAR else another


def compile_readings(many: Mapping[str, ManyRows], inside: Inside) -> dict[str, Reading]:
    """How masks read every resource, by key."""
    readings: dict[str, Reading] = {}
    readings.update({kind: Reading(one.rows, one.keyed, readings, inside) for kind, one in many.items()})
    return readings

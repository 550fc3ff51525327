"""What relations mean to the rows of one resource: fields that not everybody sees or writes, what creators get, what goes with a row.

Whoever writes a field that says who has a relation must have what the relation's `grant` names on the resource as it was and as it becomes;
whoever writes a field with a rule of its own, what that names on the resource as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from protoplane.access.declared import CALLERS
from protoplane.access.model import Restriction
from protoplane.access.naming import object_id
from protoplane.access.tuples import NotAdmitted, Object, RelationTuple
from protoplane.base.errors import Fault, Reason
from protoplane.contract.model import Behavior, Field, Label
from protoplane.method.guard import Guard, subject_of
from protoplane.method.rows import Ids, Rows, Written
from protoplane.store.codec import Row
from protoplane.store.session import Session

if TYPE_CHECKING:
    from protoplane.method.call import Call


@dataclass(frozen=True, slots=True)
class _Watched:
    """A field whose writers must have a relation."""

    path: str
    relation: str
    places: frozenset[int]
    """Of its columns in a row."""
    again: bool
    """Whether the resource as it becomes is asked about, too."""


@dataclass(frozen=True, slots=True)
class _Hidden:
    """A field that callers see who have a relation."""

    parts: tuple[Field, ...]
    relation: str


class RowGuard:
    """Of one resource, by its rows."""

    def __init__(self, guard: Guard, rows: Rows) -> None:
        declared, resource = guard.declared, rows.resource
        self._guard, self._rows = guard, rows
        self._kind = declared.types[resource.key]
        self._creators = {caller: tuple(self._find_given(caller)) for caller in CALLERS}
        """By type of callers: what they get who create one, as far as brackets have a place for them."""
        self._watched = tuple(self._find_watched())
        self._hidden = tuple(_find_hidden(resource.fields, ()))
        self.hides = bool(self._hidden)
        """Whether there are fields that not everybody sees."""
        self._held = any(kind == self._kind and (kind, one.name) not in declared.said for kind, one in declared.model.relations())
        self._named = any(
            restriction.type == self._kind
            for kind, one in declared.model.relations()
            if (kind, one.name) not in declared.said
            for restriction in one.restrictions
        )

    @property
    def relations(self) -> frozenset[str]:
        """All that writes of rows may ask for."""
        return frozenset(one.relation for one in self._watched)

    def _find_given(self, caller: str) -> Iterator[str]:
        declared = self._guard.declared
        plain = Restriction(caller)
        return (name for name in declared.creators.get(self._kind, ()) if plain in declared.model.types[self._kind][name].restrictions)

    def _find_watched(self) -> Iterator[_Watched]:
        table, declared = self._rows.table, self._guard.declared
        place = {column.name: i for i, column in enumerate(table.columns)}
        said = {
            one.path: declared.grants.get(key, "")
            for key, one in declared.said.items()
            if one.resource == self._rows.resource.key and one.path
        }
        for leaf in table.leaves:
            places = frozenset(place[column.name] for column in leaf.columns)
            for relation in dict.fromkeys(field.write for field in (*leaf.within, leaf.field) if field.write):
                yield _Watched(leaf.field.path, relation, places, again=False)
            if said.get(leaf.field.path):
                yield _Watched(leaf.field.path, said[leaf.field.path], places, again=True)

    # Writes

    def created(self, session: Session, several: Sequence[tuple[Ids, Row]], by: Call | None) -> None:
        """Give creators what they get, and judge what they wrote. Raises Fault FIELD_DENIED, with nothing kept of the transaction."""
        if by is None:
            return
        subject = subject_of(by.principal)
        gets = () if by.principal.anonymous else self._creators.get(subject.type, ())
        if gets:
            objects = [Object(self._kind, object_id(ids)) for ids, _ in several]
            made = [RelationTuple(one, relation, subject) for one in objects for relation in gets]
            try:
                self._guard.relations.write(session, made, ignore=True)
            except NotAdmitted as problem:  # Its ids are longer than tuples hold; that it may be given is checked at start.
                fault = Fault(Reason.VALUE_TOO_LARGE)
                session.spoil(fault)
                raise fault from problem
        if self._watched and not by.trusted:
            written = [Written(ids, self._unwritten(ids), row) for ids, row in several]
            self._judge(session, written, [self._touched(one) for one in written], by)

    @contextmanager
    def judging(self, session: Session, several: Sequence[Written], by: Call | None) -> Iterator[None]:
        """Judge what the block writes: by the rows as they are and, where they say who has a relation, as they have become.

        Raises Fault FIELD_DENIED; after the block nothing is then kept of the transaction.
        """
        if by is None or by.trusted or not self._watched:
            yield
            return
        touched = [self._touched(one) for one in several]
        self._judge(session, several, touched, by)
        yield
        self._judge(session, several, [[watched for watched in one if watched.again] for one in touched], by)

    def _unwritten(self, ids: Ids) -> Row:
        codec, resource = self._rows.codec, self._rows.resource
        return codec.row(resource.message_class(), ids, 0)

    def _touched(self, one: Written) -> list[_Watched]:
        differing = {place for place, (old, new) in enumerate(zip(one.before, one.after, strict=True)) if old != new}
        return [watched for watched in self._watched if watched.places & differing]

    def _judge(self, session: Session, several: Sequence[Written], touched: Sequence[Sequence[_Watched]], by: Call) -> None:
        asked = [(one.ids, watched) for one, found in zip(several, touched, strict=True) for watched in found]
        if not asked:
            return
        answers = self._guard.held(by, self._rows.resource.key, [(watched.relation, ids) for ids, watched in asked])
        for held, (ids, watched) in zip(answers, asked, strict=True):
            if not held:
                name = self._rows.pattern.format(ids)
                fault = Fault(Reason.FIELD_DENIED, permission=watched.relation, field=watched.path, resource=name)
                session.spoil(fault)
                raise fault

    # Deletes

    def forget(self, session: Session, several: Sequence[Ids]) -> None:
        """Take away every tuple about resources that are gone."""
        if self._held or self._named:
            self._guard.relations.forget(session, [Object(self._kind, object_id(ids)) for ids in several])

    def forget_below(self, session: Session, several: Sequence[Ids]) -> None:
        """The same of all whose ids begin with some, or are these where the resource has no id of its own."""
        if len(several) and len(several[0]) == len(self._rows.resource.pattern.variables):
            self.forget(session, several)
        elif self._held or self._named:
            for ids in several:
                self._guard.relations.forget_below(session, self._kind, object_id(ids))

    # Reads

    def hide(self, call: Call, found: Sequence[tuple[Ids, Message]]) -> None:
        """Clear, in messages of resources, what the caller may not see."""
        if call.trusted or not self._hidden:
            return
        asked = [(ids, message, hidden) for ids, message in found for hidden in self._hidden if _is_there(message, hidden.parts)]
        answers = self._guard.held(call, self._rows.resource.key, [(hidden.relation, ids) for ids, _, hidden in asked]) if asked else []
        for held, (_, message, hidden) in zip(answers, asked, strict=True):
            if not held:
                _clear(message, hidden.parts)

    def hide_named(self, call: Call, found: Sequence[Message]) -> None:
        """The same in messages that hold their names."""
        if self._hidden:
            name = self._rows.resource.name_field.name
            parsed = [(self._rows.pattern.parse(getattr(message, name)), message) for message in found]
            self.hide(call, [(ids, message) for ids, message in parsed if ids is not None])


def _find_hidden(fields: Sequence[Field], above: tuple[Field, ...]) -> Iterator[_Hidden]:
    """The fields with a rule of their own; inside such a field only those with another one."""
    for field in fields:
        own = (*above, field)
        if field.read and (not above or above[-1].read != field.read) and not field.has(Behavior.INPUT_ONLY):
            yield _Hidden(own, field.read)
        yield from _find_hidden(field.fields, own)


def _is_there(message: Any, parts: Sequence[Field]) -> bool:
    """Whether anything stands at a path, through every element of what is repeated."""
    return any(True for inner in _holders(message, parts) if _has(inner, parts[-1]))


def _clear(message: Any, parts: Sequence[Field]) -> None:
    for inner in _holders(message, parts):
        inner.ClearField(parts[-1].name)


def _holders(message: Any, parts: Sequence[Field]) -> Iterator[Any]:
    """The messages that hold the last field of a path."""
    if len(parts) == 1:
        yield message
        return
    field = parts[0]
    match field.label:
        case Label.SINGULAR:
            inner = [getattr(message, field.name)] if message.HasField(field.name) else []
        case Label.REPEATED:
            inner = list(getattr(message, field.name))
        case _:
            inner = list(getattr(message, field.name).values())
    for one in inner:
        yield from _holders(one, parts[1:])


def _has(message: Message, field: Field) -> bool:
    return any(descriptor.name == field.name for descriptor, _ in message.ListFields())

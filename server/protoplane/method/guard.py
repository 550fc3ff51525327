"""The relations of a contract as calls ask for them, inside their transaction: what a caller may, and of which rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from protoplane.access.bounds import BoundExceeded
from protoplane.access.check import Checks, UnknownRelation
from protoplane.access.context import canonical
from protoplane.access.declared import SERVICE, USER, Declared
from protoplane.access.given import NOTHING, Given, Unanswered
from protoplane.access.naming import Names, object_id
from protoplane.access.relations import Relations, too_long
from protoplane.access.scope import Scope
from protoplane.access.stated import Reader
from protoplane.access.tuples import Object, RelationTuple, Subject, admits
from protoplane.base.errors import Fault, Reason
from protoplane.base.moments import moment_text
from protoplane.changes.tuples import TupleLog
from protoplane.contract.names import Id
from protoplane.identity.principal import Principal
from protoplane.query.paging import PageTokens
from protoplane.store.tables import Table

if TYPE_CHECKING:
    from protoplane.access.conditions import Conditions
    from protoplane.method.call import Call

Ids = tuple[Id, ...]

NOW = "now"
"""The parameter of conditions that is the time of the call, unless somebody says it."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What the methods of one contract ask."""

    declared: Declared
    checks: Checks
    relations: Relations
    names: Names
    conditions: Conditions | None
    """None where the model has none: what evaluates them takes 30 ms to import."""
    tokens: PageTokens
    log: TupleLog
    stated: Reader
    branching: bool
    """Whether writes may ask for a relation that several statements find out, whose answers together must be of one moment."""

    def held(self, call: Call, key: str, asked: Sequence[tuple[str, Ids]]) -> list[bool]:
        """Which relations on resources of a key the caller has. Raises Fault ACCESS_BOUND, CONDITION_CONTEXT."""
        kind = self.declared.types[key]
        return self.held_on(call, [(relation, Object(kind, object_id(ids))) for relation, ids in asked])

    def held_on(self, call: Call, asked: Sequence[tuple[str, Object]]) -> list[bool]:
        """The same of objects. Raises Fault RELATION_UNKNOWN too."""
        subject, given = subject_of(call.principal), self.given(call)
        with refusing():
            if len(asked) == 1:
                return [self.checks.check(call.session, subject, *asked[0], given)]
            return self.checks.check_many(call.session, subject, asked, given) if asked else []

    def require(self, call: Call, relation: str, key: str, several: Sequence[tuple[Ids, str]]) -> None:
        """Fault PERMISSION_DENIED naming the first, of resources with their names, on which the caller has not the relation."""
        for held, (_, name) in zip(self.held(call, key, [(relation, ids) for ids, _ in several]), several, strict=True):
            if not held:
                raise denied(relation, name)

    def given(self, call: Call) -> Given:
        """What questions of rules come with. Where a condition needs more than the time of the call the answer is no.

        An error would let whoever gives relations to one resource spoil the lists of everybody.
        """
        return NOTHING if self.conditions is None else Given((), self.conditions.bind({NOW: moment_text(call.now_micros)}), strict=False)

    def told(self, call: Call, tuples: Sequence[RelationTuple], context: Mapping[str, object]) -> Given:
        """What questions of the service come with. Raises Fault CONDITION_CONTEXT."""
        if self.conditions is None:
            return Given(tuples) if tuples else NOTHING
        with refusing():
            return Given(tuples, self.conditions.bind({NOW: moment_text(call.now_micros), **context}))

    def scope(self, table: Table, relation: str) -> Scope:
        """The rows of a resource on which somebody has a relation."""
        keys = [(table.column(column.name), column) for column in table.keys]
        return Scope(self.checks, (self.declared.types[table.resource.key], relation), keys)

    def admit_relation(self, held: RelationTuple) -> None:
        """Whether there may be tuples of a relation. Raises Fault RELATION_UNKNOWN, RELATION_NOT_ADMITTED."""
        key = (held.object.type, held.relation)
        relation = self.declared.model.relation(*key)
        if relation is None:
            raise Fault(Reason.RELATION_UNKNOWN, relation=held.relation, type=held.object.type)
        said = self.declared.said.get(key)
        if said is not None:
            problem = f"who has the relation is said by {f'the field {said.path!r}' if said.path else 'the name'} of the resource."
            raise self._not_admitted(held, problem)

    def admitted(self, held: RelationTuple, condition: str = "", context: Mapping[str, object] | None = None) -> RelationTuple:
        """The tuple with its condition, if the model has a place for it. Raises as `admit_relation` does, and Fault CONDITION_CONTEXT."""
        self.admit_relation(held)
        if condition:
            with refusing():
                if self.conditions is not None:
                    self.conditions.admit(condition, context or {})
                held = replace(held, condition=condition, context=canonical(context or {}))
        if not admits(self.declared.model, held):
            relation = self.declared.model.types[held.object.type][held.relation]
            places = ", ".join(map(str, relation.restrictions)) or "nobody: it is computed"
            raise self._not_admitted(held, f"the relation takes {places}.")
        column = too_long(held)
        if column is not None:
            raise self._not_admitted(held, f"its {column.name.replace('_', ' ')} has more than {column.length} characters.")
        return held

    def _not_admitted(self, held: RelationTuple, problem: str) -> Fault:
        return Fault(Reason.RELATION_NOT_ADMITTED, tuple=self.names.tuple(held), problem=problem)


@dataclass(frozen=True, slots=True)
class Question:
    """A relation that a rule asks about: on the resources of a key themselves, or on what they stand below."""

    guard: Guard
    relation: str
    key: str
    levels: int = 0
    """Of what it stands below: how many ids it has. 0: the resource itself."""

    def held(self, call: Call, several: Sequence[Ids]) -> list[bool]:
        """For which resources the answer is yes, each distinct one asked once."""
        if not self.levels:
            return self._held(call, several)
        above = list(dict.fromkeys(ids[: self.levels] for ids in several))
        answers = dict(zip(above, self._held(call, above), strict=True))
        return [answers[ids[: self.levels]] for ids in several]

    def _held(self, call: Call, several: Sequence[Ids]) -> list[bool]:
        return self.guard.held(call, self.key, [(self.relation, ids) for ids in several])


def subject_of(principal: Principal) -> Subject:
    """A caller as the model knows him."""
    return Subject(SERVICE if principal.service else USER, principal.subject)


def denied(relation: str, name: str) -> Fault:
    """The refusal of a caller who has not a relation: the same whether or not the resource is there."""
    return Fault(Reason.PERMISSION_DENIED, permission=relation, resource=name)


@contextmanager
def refusing() -> Iterator[None]:
    """What a question may end with, as a Fault."""
    try:
        yield
    except BoundExceeded as bound:
        raise Fault(Reason.ACCESS_BOUND, problem=f"{bound}.") from bound
    except UnknownRelation as unknown:
        raise Fault(Reason.RELATION_UNKNOWN, relation=unknown.relation, type=unknown.type) from unknown
    except Unanswered as failed:
        raise Fault(Reason.CONDITION_CONTEXT, problem=f"{failed}.") from failed

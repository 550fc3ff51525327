"""Random models whose relationships come from everywhere: tuples, conditional tuples, columns, names, and what a question comes with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from protoplane.access.given import Given
from protoplane.access.model import Model, TypeRelation
from protoplane.access.problem import InvalidModel
from protoplane.access.syntax import parse
from protoplane.access.tuples import Object, RelationTuple, Subject, admits
from protoplane.store.tuples import Derived
from tests.access.cases import RELATIONS, TYPES, Question, operands
from tests.access.oracle import Meaning, Name
from tests.access.tables import IDS, KEYS, STRANGE, Row, by_columns, by_name

USERS = ("u", "v", "a")
CONDITIONS = {"c": "condition c(x: int) {\n  x > 0\n}", "d": "condition d(x: int) {\n  x < 1\n}"}
CONTEXTS = ("", '{"x":0}', '{"x":1}')


def evaluate(condition: str, context: Mapping[str, object]) -> bool:
    """What the conditions mean; of nothing that is said, 0 is."""
    number = context.get("x", 0)
    assert isinstance(number, int)
    return number > 0 if condition == "c" else number < 1


@dataclass(frozen=True, slots=True, repr=False)
class Sourced:
    """A model with derived relations, rows, tuples of all kinds, and questions."""

    model: Model
    kinds: Mapping[str, str]
    """Of the keys of each type."""
    derived: Mapping[TypeRelation, Derived]
    rows: tuple[Row, ...]
    tuples: tuple[RelationTuple, ...]
    contextual: tuple[RelationTuple, ...]
    questions: tuple[Question, ...]

    def __repr__(self) -> str:
        said = [f"{key}: {one.levels or [column.name for column in one.subject]}" for key, one in self.derived.items()]
        lines = [self.model.fga, str(self.kinds), *said, *map(str, self.rows), *map(str, self.tuples)]
        return "\n".join(["", *lines, *(f"{one} (given)" for one in self.contextual), *map(str, self.questions)])

    @property
    def given(self) -> Given:
        """What each question comes with."""
        return Given(self.contextual, evaluate)

    def meaning(self, *, contextual: bool = True) -> Meaning:
        """What all that says means."""
        said = [one for row in self.rows for one in row.tuples(self.derived)]
        stated = [*self.tuples, *(self.contextual if contextual else ())]
        held = [one for one in stated if not one.condition or evaluate(one.condition, json.loads(one.context or "{}"))]
        names = {
            key: Name(len(one.key), one.levels, one.subject_type, one.subject_relation) for key, one in self.derived.items() if one.levels
        }
        return Meaning(self.model, [*said, *held], names)

    def has_row(self, object_: Object) -> bool:
        """Whether an object has one."""
        return any(row.of == object_ for row in self.rows)

    def named(self, type_name: str) -> bool:
        """Whether names of a type say something."""
        return any(key[0] == type_name and one.levels for key, one in self.derived.items())


@st.composite
def brackets(draw: st.DrawFn) -> str:
    """What may stand in brackets, under conditions now and then."""
    kinds = ["user", "user", "user:*", *(f"{kind}#{name}" for kind in TYPES for name in RELATIONS)]
    found = draw(st.lists(st.tuples(st.sampled_from(kinds), st.sampled_from(["", "", " with c", " with d"])), min_size=1, max_size=3))
    return f"[{', '.join(dict.fromkeys(kind + condition for kind, condition in found))}]"


@st.composite
def expressions(draw: st.DrawFn, own: str, operators: list[str]) -> str:
    """The expression of a relation."""
    first = draw(st.one_of(brackets(), brackets(), operands(own)))
    kind = draw(st.sampled_from(["", "or", *operators]))
    return f"{first} {kind} {draw(operands(own))}" if kind else first


@st.composite
def derivations(draw: st.DrawFn, type_name: str, relation: str, kinds: Mapping[str, str]) -> tuple[Derived, str] | None:
    """A relation that columns or names say, with its brackets; a tupleset has plain subjects."""
    kind, other = kinds[type_name], next(one for one in TYPES if one != type_name)
    possible: list[tuple[Derived, str]] = []
    for target in TYPES:
        for name in [""] if relation == "p" else ["", *RELATIONS]:
            subject = Subject(target, "", name)
            possible.append((by_columns(type_name, kind, relation, subject, kinds[target]), f"{target}#{name}" if name else target))
            levels = {("both", "text"): 1, ("both", "both"): 2, ("number", "number"): 1, ("text", "text"): 1}.get((kind, kinds[target]))
            if target == other and levels and (type_name, levels) != ("group", len(KEYS[kind])):  # Names lead upwards, never round.
                possible += [(by_name(type_name, kind, subject, levels), f"{target}#{name}" if name else target)] * 4
    if relation != "p":
        possible += [(by_columns(type_name, kind, relation, Subject("user", ""), "text"), "user")] * 4
        possible += [(by_name(type_name, kind, Subject("user", ""), 1), "user")] * 3 if kind != "number" else []
    return draw(st.one_of(st.none(), st.sampled_from(possible)))


@st.composite
def models(draw: st.DrawFn, operators: list[str]) -> tuple[Model, dict[str, str], dict[TypeRelation, Derived]]:
    """A valid model, the kinds of keys, and what columns and names say."""
    kinds = {kind: draw(st.sampled_from(sorted(KEYS))) for kind in TYPES}
    derived: dict[TypeRelation, Derived] = {}
    lines = ["model", "  schema 1.1", "type user"]
    for kind in TYPES:
        lines += [f"type {kind}", "  relations"]
        for relation in ("p", *RELATIONS):
            found = draw(derivations(kind, relation, kinds)) if relation in {"p", "r"} else None
            if found is not None:
                derived[kind, relation] = found[0]
            if relation == "p":
                parents = ["doc", "group", "doc, group", "group, doc with c"]
                lines.append(f"    define p: [{found[1] if found else draw(st.sampled_from(parents))}]")
            else:
                lines.append(f"    define {relation}: {f'[{found[1]}]' if found else draw(expressions(relation, operators))}")
    try:
        used = [text for name, text in CONDITIONS.items() if any(f" with {name}" in line for line in lines)]
        return parse("\n".join([*lines, *used])), kinds, derived
    except InvalidModel:
        return draw(st.nothing())


@st.composite
def sourced(draw: st.DrawFn, *, linear: bool = False) -> Sourced:
    """A model, up to 20 tuples, 5 rows a type, 4 tuples with the question; 4 questions."""
    model, kinds, derived = draw(models([] if linear else ["and", "but not"]))
    rows = draw(rows_of(kinds, derived))
    possible = [
        RelationTuple(Object(kind, name), relation.name, subject, restriction.condition, context)
        for kind, relation in model.relations()
        if (kind, relation.name) not in derived
        for restriction in relation.restrictions
        for name in ids_of(kind, kinds)
        for subject in (
            [Subject("user", "*")]
            if restriction.wildcard
            else [Subject(restriction.type, one, restriction.relation) for one in ids_of(restriction.type, kinds)]
        )
        for context in (CONTEXTS if restriction.condition else [""])
    ]
    admitted = [one for one in possible if admits(model, one)]
    tuples = {(one.object, one.relation, one.subject): one for one in draw(some(admitted, 20))}
    given = draw(some(admitted, 4)) if draw(st.booleans()) else []
    objects = st.sampled_from([Object(kind, one) for kind in TYPES for one in (*IDS[kinds[kind]] * 3, *STRANGE[kinds[kind]])])
    questions = st.builds(Question, subjects(kinds), st.sampled_from(RELATIONS), objects)
    asked = draw(st.lists(questions, min_size=4, max_size=4))
    return Sourced(model, kinds, derived, rows, tuple(tuples.values()), tuple(given), tuple(asked))


def some(tuples: Sequence[RelationTuple], most: int) -> st.SearchStrategy[list[RelationTuple]]:
    """A few of them, if there are any."""
    return st.lists(st.sampled_from(tuples), min_size=most // 3, max_size=most) if tuples else st.builds(list)


@st.composite
def rows_of(draw: st.DrawFn, kinds: Mapping[str, str], derived: Mapping[TypeRelation, Derived]) -> tuple[Row, ...]:
    """Rows, never one without what its name says it is below; what columns name may be missing."""
    rows: dict[Object, Row] = {}
    wanted = [Object(kind, one) for kind in TYPES for one in IDS[kinds[kind]] if draw(st.sampled_from([True, True, True, False]))]
    while wanted:
        object_ = wanted.pop()
        if object_ not in rows:
            columns = [(key[1], one) for key, one in derived.items() if key[0] == object_.type and one.subject]
            said = tuple((name, draw(st.sampled_from([*ids_of(one.subject_type, kinds), "", *stars(one)]))) for name, one in columns)
            rows[object_] = Row(object_, kinds[object_.type], said)
            above = [one for key, one in derived.items() if key[0] == object_.type and one.levels and one.subject_type != "user"]
            wanted += [Object(one.subject_type, "/".join(object_.id.split("/")[: one.levels])) for one in above]
    return tuple(rows.values())


def stars(derived: Derived) -> list[str]:
    """What a text may hold that names nobody."""
    return ["*"] if derived.subject_type == "user" else []


def ids_of(type_name: str, kinds: Mapping[str, str]) -> tuple[str, ...]:
    """Ids of a type that may have rows."""
    return USERS if type_name == "user" else IDS[kinds[type_name]]


def subjects(kinds: Mapping[str, str]) -> st.SearchStrategy[Subject]:
    """Whoever a question may be about."""
    users = st.sampled_from([*(Subject("user", name) for name in USERS), Subject("user", "*")])
    objects = [Subject(kind, one) for kind in TYPES for one in IDS[kinds[kind]]]
    usersets = [Subject(one.type, one.id, name) for one in objects for name in RELATIONS]
    return st.one_of(users, users, users, st.sampled_from(usersets), st.sampled_from(objects))

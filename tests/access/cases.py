"""Random models, tuples and questions for them: small, so that everything meets everything."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from protoplane.access.model import Model
from protoplane.access.problem import InvalidModel
from protoplane.access.syntax import parse
from protoplane.access.tuples import Object, RelationTuple, Subject, admits

IDS = ("a", "b", "c")
USERS = ("u", "v")
RELATIONS = ("r", "s", "t")
TYPES = ("doc", "group")


@dataclass(frozen=True, slots=True)
class Question:
    """Whether the subject has the relation on the object."""

    subject: Subject
    relation: str
    object: Object

    def __str__(self) -> str:
        return f"{self.subject} {self.relation} {self.object}"


@dataclass(frozen=True, slots=True, repr=False)
class Case:
    """A model with tuples that it admits, and questions."""

    model: Model
    tuples: tuple[RelationTuple, ...]
    questions: tuple[Question, ...]

    def __repr__(self) -> str:
        return "\n".join(["", self.model.fga, *map(str, self.tuples), *map(str, self.questions)])


def brackets() -> st.SearchStrategy[str]:
    """What may stand in brackets, users mostly."""
    restriction = st.sampled_from(["user", "user", "user:*", *(f"{kind}#{name}" for kind in TYPES for name in RELATIONS)])
    return st.lists(restriction, min_size=1, max_size=3, unique=True).map(lambda items: f"[{', '.join(items)}]")


def operands(own: str) -> st.SearchStrategy[str]:
    """One relation after brackets: of the same object, or of those that `p` names."""
    others = [name for name in RELATIONS if name != own]
    return st.sampled_from([*others, *(f"{name} from p" for name in RELATIONS)])


@st.composite
def expressions(draw: st.DrawFn, own: str, *, pure: bool = False) -> str:
    """The expression of a relation: nested at most once."""
    first = draw(st.one_of(brackets(), brackets(), brackets(), operands(own)))
    kinds = ["one", "or", "or"] if pure else ["one", "or", "or", "and", "but not", "nested"]
    kind = draw(st.sampled_from(kinds))
    if kind == "one":
        return first
    if kind == "nested":
        outer, inner = draw(st.sampled_from(["or", "and", "but not"])), draw(st.sampled_from(["or", "and", "but not"]))
        if draw(st.booleans()):
            return f"({first} {inner} {draw(operands(own))}) {outer} {draw(operands(own))}"
        return f"{first} {outer} ({draw(operands(own))} {inner} {draw(operands(own))})"
    return f"{first} {kind} {draw(operands(own))}"


@st.composite
def models(draw: st.DrawFn, *, pure: bool = False) -> Model:
    """A valid model: two types with a tupleset `p` and three relations each."""
    lines = ["model", "  schema 1.1", "type user"]
    for kind in TYPES:
        lines += [f"type {kind}", "  relations", f"    define p: [{draw(st.sampled_from(['doc', 'group', 'doc, group']))}]"]
        lines += [f"    define {name}: {draw(expressions(name, pure=pure))}" for name in RELATIONS]
    try:
        return parse("\n".join(lines))
    except InvalidModel:
        return draw(st.nothing())


def subjects() -> st.SearchStrategy[Subject]:
    """Whoever a question may be about."""
    users = st.sampled_from([*(Subject("user", name) for name in USERS), Subject("user", "*")])
    usersets = st.builds(Subject, st.sampled_from(TYPES), st.sampled_from(IDS), st.sampled_from(RELATIONS))
    objects = st.builds(Subject, st.sampled_from(TYPES), st.sampled_from(IDS))
    return st.one_of(users, users, users, usersets, objects)


@st.composite
def cases(draw: st.DrawFn, *, pure: bool = False) -> Case:
    """A model, up to 14 tuples, 4 questions."""
    model = draw(models(pure=pure))
    possible = [
        RelationTuple(Object(kind, name), relation.name, subject)
        for kind, relation in model.relations()
        for name in IDS
        for restriction in relation.restrictions
        for subject in (
            [Subject("user", "*")]
            if restriction.wildcard
            else [Subject(restriction.type, one, restriction.relation) for one in (USERS if restriction.type == "user" else IDS)]
        )
    ]
    admitted = [held for held in possible if admits(model, held)]
    tuples = draw(st.lists(st.sampled_from(admitted), max_size=14, unique=True))
    questions = st.builds(Question, subjects(), st.sampled_from(RELATIONS), st.builds(Object, st.sampled_from(TYPES), st.sampled_from(IDS)))
    return Case(model, tuple(tuples), tuple(draw(st.lists(questions, min_size=4, max_size=4))))

"""The relations that a contract declares, as one model; whatever is wrong with them is a finding.

Every resource is a type. Callers are of the types `user` and `service`, which are there by themselves unless resources are called so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from protoplane.access.model import SCHEMA, Model, Relation, Restriction, TypeRelation
from protoplane.access.problem import InvalidModel, Problem, Wrong
from protoplane.access.syntax import parse
from protoplane.contract.columns import is_stored_reference
from protoplane.contract.model import (
    Access,
    Behavior,
    Contract,
    Field,
    Finding,
    Kind,
    Label,
    Method,
    MethodKind,
    Place,
    RelationRule,
    Resource,
    Role,
)
from protoplane.store.tuples import ID_CHARACTERS

USER: Final = "user"
SERVICE: Final = "service"
CALLERS: Final = (USER, SERVICE)
"""Types of those who call: people, and programs in their own name."""

NAME: Final = "name"
"""The field by which a relation is said by what stands above a resource."""

RULES: Mapping[str, str] = {
    "access-field": "A relation said by a field that cannot say it, or that nobody could write.",
    "access-model": "Relations that do not make a model (OpenFGA schema 1.1).",
    "access-relation": "A rule, a grant or a field that names a relation which is not there.",
    "access-target": "A rule about a relation on a resource that no part of the request names.",
}
"""What the relations of a contract can break, beside the rules of `contract.report`."""

_WORD = re.compile(r"[A-Za-z0-9_$][A-Za-z0-9_$./-]*")
_CHILDREN = frozenset({MethodKind.CREATE, MethodKind.BATCH_CREATE, MethodKind.LIST, MethodKind.AGGREGATE})
_MANY = frozenset({MethodKind.LIST, MethodKind.AGGREGATE})


@dataclass(frozen=True, slots=True)
class Said:
    """A relation that each row of a resource says: by a field, or by its name."""

    resource: str
    """Key of the resource."""
    path: str
    """Of the field; empty for the name."""
    levels: int
    """Of the name: how many of its ids are those of the subject."""
    subject: Restriction
    """The one kind of subject."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a contract says of relations."""

    model: Model
    types: Mapping[str, str]
    """Of resources, by key: the type."""
    said: Mapping[TypeRelation, Said]
    """The relations that have no tuples."""
    grants: Mapping[TypeRelation, str]
    """Who may give a relation: whoever has this one."""
    creators: Mapping[str, tuple[str, ...]]
    """By type: what whoever creates a resource gets."""

    @property
    def used(self) -> bool:
        """Whether there is any relation."""
        return any(True for _ in self.model.relations())


NOTHING_DECLARED: Final = Declared(Model({}), {}, {}, {}, {})
"""Of a contract without relations."""


def declare(contract: Contract) -> tuple[Declared, tuple[Finding, ...]]:
    """Read the relations of a contract, which may have findings of its own."""
    reader = _Reader(contract)
    declared = reader.read()
    return declared, tuple(dict.fromkeys(reader.findings))


def target_of(contract: Contract, method: Method) -> tuple[Resource | None, str]:
    """Which resource a rule of a method asks about, and which field of the request names it, or several of them; the first is None where none does."""
    resource = method.resource
    if method.kind in _CHILDREN and resource is not None:
        if method.rule.access is Access.SCOPE:
            return resource, ""
        above = contract.resources.get(resource.parent)
        return above, "parent"
    if method.kind is MethodKind.CUSTOM:
        return _custom_target(contract, method)
    return (resource, "name") if method.kind is not MethodKind.COMMIT else (None, "")


def _custom_target(contract: Contract, method: Method) -> tuple[Resource | None, str]:
    for name in (NAME, "parent"):
        field = method.request_field(name)
        if field is not None and field.kind is Kind.STRING and field.label is Label.SINGULAR:
            named = next((one for one in contract.resources.values() if one.type == field.reference), None)
            child = next((one for one in contract.resources.values() if one.type == field.reference_child), None)
            if named is None and child is not None:
                named = contract.resources.get(child.parent)
            if named is not None:
                return named, name
    return None, ""


class _Reader:
    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self.findings: list[Finding] = []

    def read(self) -> Declared:
        used = any(one.access.relations or one.access.conditions for one in self._contract.resources.values())
        types = self._types() if used else {resource.key: resource.access.name for resource in self._contract.resources.values()}
        model = self._model(types) if used else Model({})
        if model is None:
            return Declared(Model({}), types, {}, {}, {})
        said: dict[TypeRelation, Said] = {}
        grants: dict[TypeRelation, str] = {}
        creators: dict[str, tuple[str, ...]] = {}
        for resource in self._contract.resources.values():
            kind = types[resource.key]
            creators[kind] = tuple(rule.name for rule in resource.access.relations if rule.creator)
            for rule in resource.access.relations:
                relation = model.relation(kind, rule.name)
                assert relation is not None
                self._judge_grant(model, kind, resource, rule)
                if rule.grant:
                    grants[kind, rule.name] = rule.grant
                if rule.field:
                    found = self._said(resource, rule, relation, types)
                    if found is not None:
                        said[kind, rule.name] = found
                elif rule.creator and not any(
                    (r.type, r.relation, r.wildcard, r.condition) == (USER, "", False, "") for r in relation.restrictions
                ):
                    self._add(
                        rule.place,
                        "access-relation",
                        f"creators get `{rule.name}`, which no tuple can give to a {USER}",
                        f"put {USER} into its brackets",
                    )
            self._judge_fields(model, kind, resource)
        for method in self._contract.methods.values():
            self._judge_rule(model, types, method)
        return Declared(model, types, said, grants, creators)

    def _add(self, place: Place, rule: str, problem: str, mend: str) -> None:
        self.findings.append(Finding(place, rule, problem, mend))

    def _types(self) -> dict[str, str]:
        """The type of each resource."""
        types: dict[str, str] = {}
        owners: dict[str, Resource] = {}
        for resource in self._contract.resources.values():
            kind = types[resource.key] = resource.access.name
            other = owners.setdefault(kind, resource)
            if other.type != resource.type:
                problem = f"{resource.message.name} and {other.message.name} are both the type '{kind}' of the relation language"
                self._add(
                    resource.access.place, "access-model", problem, 'give one of them another: option (protoplane.v1.access).type = "…";'
                )
            if not _WORD.fullmatch(kind):
                self._add(resource.access.place, "access-model", f"'{kind}' is no name of a type", "use letters, digits and _")
            if resource.several and resource.access.relations:
                problem = f"{resource.message.name} has several patterns; relations to it are not served yet"
                self._add(resource.access.place, "access-model", problem, "keep one pattern, or give relations to what stands above it")
        return types

    # The model

    def _model(self, types: Mapping[str, str]) -> Model | None:
        """All relations as one text, read by the reader of `.fga` files, whose problems are told where the contract has the line."""
        lines: list[tuple[str, Place, str]] = [("model", Place(""), ""), (f"  schema {SCHEMA}", Place(""), "")]
        by_type: dict[str, tuple[RelationRule, ...]] = {kind: () for kind in CALLERS if kind not in types.values()}
        conditions: dict[str, Place] = {}
        for resource in self._contract.resources.values():
            by_type.setdefault(types[resource.key], resource.access.relations)
            conditions |= dict(resource.access.conditions)
        for kind, relations in by_type.items():
            lines.append((f"type {kind}", Place(""), ""))
            lines += [("  relations", Place(""), "")] if relations else []
            for rule in relations:
                if not _WORD.fullmatch(rule.name):
                    self._add(rule.place, "access-model", f"{rule.name!r} is no name of a relation", "use letters, digits and _")
                expression = " ".join(rule.expression.split())
                lines.append((f"    define {rule.name}: {expression}", rule.place, f", in `{rule.name}: {expression}`"))
        for text, place in conditions.items():
            lines += [(line, place, f", in a condition at `{line.strip()}`") for line in f"condition {text.strip()}".split("\n")]
        if self.findings:
            return None
        try:
            model = parse("\n".join(text for text, _, _ in lines))
        except InvalidModel as invalid:
            for problem in invalid.problems:
                _, place, where = lines[_end_of(problem, lines) - 1]
                self._add(place, "access-model", f"{problem.text}{where} [{problem.reason}]", "see OpenFGA's language, schema 1.1")
            return None
        if list(model.types) != list(by_type) or len(model.conditions) != len(conditions):
            self._add(
                next(iter(conditions.values()), Place("")),
                "access-model",
                "a condition holds more than one condition",
                "write each by itself",
            )
            return None
        return model

    # What fields say

    def _said(self, resource: Resource, rule: RelationRule, relation: Relation, types: Mapping[str, str]) -> Said | None:
        """What a relation is derived from; None, with a finding, when that cannot be."""
        only = relation.restrictions[0] if relation.direct and len(relation.restrictions) == 1 else None
        if only is None or only.wildcard or only.condition:
            mend = 'write one kind of subject, as in is: "[folder]" or is: "[group#member]"'
            self._add(
                rule.place,
                "access-field",
                f"`{rule.name}` is said by a field, so it is brackets with one kind of subject, and no more",
                mend,
            )
            return None
        if rule.creator:
            self._add(rule.place, "access-field", f"`{rule.name}` is said by a field; no tuple gives it to creators", "take `creator` away")
        if rule.field == NAME:
            return self._said_by_name(resource, rule, only, types)
        field = resource.field(rule.field)
        problem = self._field_problem(resource, field, rule, only, types)
        if problem or field is None:
            mend = "name a reference to a resource of that type, or, for callers, a text that holds their id"
            self._add(rule.place, "access-field", f"`{rule.name}` cannot be said by `{rule.field}`: {problem}", mend)
            return None
        if not rule.grant and not field.has(Behavior.OUTPUT_ONLY):
            problem = f"`{rule.field}` says who has `{rule.name}`, and nothing says who may write it"
            mend = f'name the relation that its writers must have, as in grant: "owner", or make {rule.field} OUTPUT_ONLY'
            self._add(rule.place, "access-field", problem, mend)
        return Said(resource.key, rule.field, 0, only)

    def _said_by_name(self, resource: Resource, rule: RelationRule, only: Restriction, types: Mapping[str, str]) -> Said | None:
        for other in self._contract.resources.values():
            count = len(other.pattern.collections)
            above = resource.pattern.collections[:count] == other.pattern.collections and other.key != resource.key
            if types[other.key] == only.type and above and not other.pattern.singleton:
                return Said(resource.key, "", len(other.pattern.variables), only)
        problem = f"`{rule.name}` is said by the name, and no `{only.type}` stands above {resource.message.name} in it"
        self._add(rule.place, "access-field", problem, "name a type whose pattern is the beginning of this one's")
        return None

    def _field_problem(
        self, resource: Resource, field: Field | None, rule: RelationRule, only: Restriction, types: Mapping[str, str]
    ) -> str:
        """Why a field cannot say who has a relation; empty when it can."""
        parts = rule.field.split(".")
        above = [resource.field(".".join(parts[:count])) for count in range(1, len(parts))]
        patterns = {one.key: one.pattern for one in self._contract.resources.values()}
        if field is None:
            return f"{resource.message.name} has no such field"
        one = all(part is not None and part.label is Label.SINGULAR for part in (*above, field)) and field.kind is Kind.STRING
        if not one or field.role is not Role.NONE or field.expand or field.has(Behavior.INPUT_ONLY):
            return "it is not one text that is kept"
        if is_stored_reference(field, patterns):
            return "" if types[field.reference] == only.type else f"it names a {types[field.reference]}, not a {only.type}"
        if only.type in types.values():
            return f"it does not refer to a {only.type}"
        if only.relation:
            return f"a {only.type} has no relations"
        return "" if 0 < field.max_length <= ID_CHARACTERS else f"its length is not bounded to {ID_CHARACTERS} characters"

    # Who is asked

    def _judge_grant(self, model: Model, kind: str, resource: Resource, rule: RelationRule) -> None:
        if rule.grant and model.relation(kind, rule.grant) is None:
            self._missing(rule.place, f"who has `{rule.grant}` may give `{rule.name}`", kind, resource, rule.grant)

    def _judge_fields(self, model: Model, kind: str, resource: Resource) -> None:
        for field in with_inner(resource.fields):
            for relation in dict.fromkeys((field.read, field.write)):
                if not relation:
                    continue
                if model.relation(kind, relation) is None:
                    self._missing(field.place, f"`{field.path}` is for whoever has `{relation}`", kind, resource, relation)
                if field.role is not Role.NONE:
                    self._add(
                        field.place,
                        "access-field",
                        f"`{field.path}` is a standard field, which everybody sees who may read the resource",
                        "take the rule away",
                    )

    def _judge_rule(self, model: Model, types: Mapping[str, str], method: Method) -> None:
        rule = method.rule
        if rule.access not in {Access.CHECK, Access.SCOPE}:
            return
        if rule.access is Access.SCOPE and method.kind not in _MANY:
            problem = f"{method.name} does not list or aggregate, so there is nothing to show a part of"
            self._add(
                method.place,
                "access-target",
                problem,
                f'ask about the resource itself: option (protoplane.v1.rule).check = "{rule.relation}";',
            )
            return
        target, _ = target_of(self._contract, method)
        if target is None:
            problem = f"no part of {method.request.name} names a resource on which `{rule.relation}` could be asked"
            self._add(
                method.place, "access-target", problem, "use a permission, or give the request a `name` or `parent` with its reference"
            )
        elif target.several:
            self._add(
                method.place,
                "access-target",
                f"{target.message.name} has several patterns; relations to it are not served yet",
                "use a permission",
            )
        elif model.relation(types[target.key], rule.relation) is None:
            self._missing(method.place, f"{method.name} asks for `{rule.relation}`", types[target.key], target, rule.relation)

    def _missing(self, place: Place, why: str, kind: str, resource: Resource, relation: str) -> None:
        known = ", ".join(rule.name for rule in resource.access.relations) or "none"
        self._add(
            place,
            "access-relation",
            f"{why}, and the type `{kind}` has no such relation (it has: {known})",
            f"declare `{relation}` in {resource.message.name}, or correct it",
        )


def _end_of(problem: Problem, lines: Sequence[tuple[str, Place, str]]) -> int:
    """The line of a problem: of what ends too early it is the one that does, and not the next, where that is found out."""
    line = min(problem.line, len(lines))
    text = lines[line - 1][0]
    early = problem.reason is Wrong.SYNTAX and line > 1 and problem.column == len(text) - len(text.lstrip()) + 1
    return line - 1 if early else line


def with_inner(fields: Sequence[Field]) -> Iterator[Field]:
    """Fields, and those inside them."""
    for field in fields:
        yield field
        yield from with_inner(field.fields)

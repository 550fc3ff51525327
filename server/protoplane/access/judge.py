"""What a model means must hold together, too: the rules by which OpenFGA accepts or refuses one."""

from __future__ import annotations

from collections.abc import Iterator

from protoplane.access.model import (
    Computed,
    Condition,
    Exclusion,
    Intersection,
    Model,
    Relation,
    Rewrite,
    This,
    Through,
    TypeRelation,
    Union,
    leaves,
)
from protoplane.access.problem import Misread, Wrong


def judge(model: Model) -> Iterator[Misread]:
    """Everything wrong. Whether relations can be had by anybody is asked only of what names nothing that is not there."""
    found = [problem for type_name, relation in model.relations() for problem in _undefined(model, type_name, relation)]
    yield from found
    yield from _conditions(model)
    if found:
        return
    reachable = _entrypoints(model)
    for type_name, relation in model.relations():
        if _computes_itself(model, type_name, relation.name):
            yield Misread(relation.offset, Wrong.CYCLE, f"'{type_name}#{relation.name}' is computed from itself")
        elif (type_name, relation.name) not in reachable:
            yield Misread(relation.offset, Wrong.NO_ENTRYPOINT, f"nobody can have '{type_name}#{relation.name}': no brackets lead to it")


def _undefined(model: Model, type_name: str, relation: Relation) -> Iterator[Misread]:
    for restriction in relation.restrictions:
        if restriction.type not in model.types:
            yield Misread(restriction.offset, Wrong.TYPE_UNDEFINED, f"there is no type '{restriction.type}'")
        elif restriction.relation and model.relation(restriction.type, restriction.relation) is None:
            yield _no_relation(restriction.offset, restriction.type, restriction.relation)
        if restriction.condition and restriction.condition not in model.conditions:
            yield Misread(restriction.offset, Wrong.CONDITION_UNDEFINED, f"there is no condition '{restriction.condition}'")
    for leaf in leaves(relation.rewrite):
        match leaf:
            case This():
                pass
            case Computed(name, offset):
                if model.relation(type_name, name) is None:
                    yield _no_relation(offset, type_name, name)
            case Through():
                yield from _tupleset(model, type_name, leaf)


def _conditions(model: Model) -> Iterator[Misread]:
    used = {restriction.condition for _, relation in model.relations() for restriction in relation.restrictions}
    for condition in model.conditions.values():
        if condition.name not in used:
            yield Misread(condition.offset, Wrong.CONDITION_UNUSED, f"no brackets name condition '{condition.name}'")
        unknown = [problem for _, kind in condition.parameters if (problem := unknown_type(kind)) is not None]
        yield from (Misread(condition.offset, Wrong.PARAMETER_TYPE_UNKNOWN, problem) for problem in unknown)
        if not unknown:
            yield from _uncompilable(condition)


def unknown_type(kind: str) -> str | None:
    """What is wrong with a type of a parameter, if anything is."""
    from protoplane.access.parameters import UnknownType, converter  # Models without conditions need none of it.

    try:
        converter(kind)
    except UnknownType as unknown:
        return str(unknown)
    return None


def _uncompilable(condition: Condition) -> Iterator[Misread]:
    from protoplane.access.conditions import Compiled, Uncompilable

    try:
        Compiled(condition)
    except Uncompilable as invalid:
        offset = condition.expression_offset + invalid.offset if condition.expression_offset else condition.offset
        yield Misread(offset, Wrong.CONDITION_INVALID, f"condition '{condition.name}': {invalid.text}")


def _tupleset(model: Model, type_name: str, leaf: Through) -> Iterator[Misread]:
    tupleset = model.relation(type_name, leaf.tupleset)
    if tupleset is None:
        yield _no_relation(leaf.offset, type_name, leaf.tupleset)
    elif not tupleset.direct or any(restriction.relation or restriction.wildcard for restriction in tupleset.restrictions):
        problem = f"'{type_name}#{leaf.tupleset}' stands after 'from', so it must be brackets of types alone"
        yield Misread(leaf.offset, Wrong.TUPLESET_NOT_DIRECT, problem)
    elif not any(True for _ in model.through(type_name, leaf)):
        problem = f"no type that '{type_name}#{leaf.tupleset}' names has a relation '{leaf.relation}'"
        yield Misread(leaf.offset, Wrong.RELATION_UNDEFINED, problem)


def _no_relation(offset: int, type_name: str, relation: str) -> Misread:
    return Misread(offset, Wrong.RELATION_UNDEFINED, f"there is no relation '{relation}' of type '{type_name}'")


def _computes_itself(model: Model, type_name: str, name: str) -> bool:
    """Whether computing it on one object asks for itself on that object, with no tuple in between."""
    seen: set[str] = set()
    ahead = [name]
    while ahead:
        relation = model.types[type_name][ahead.pop()]
        for leaf in leaves(relation.rewrite):
            if isinstance(leaf, Computed) and leaf.relation not in seen:
                seen.add(leaf.relation)
                ahead.append(leaf.relation)
    return name in seen


def _entrypoints(model: Model) -> set[TypeRelation]:
    """The relations that some tuple can give to somebody. The subtracted part must be possible too, as OpenFGA has it."""
    found: set[TypeRelation] = set()

    def possible(type_name: str, relation: Relation, rewrite: Rewrite) -> bool:
        match rewrite:
            case This():
                return any(not r.relation or (r.type, r.relation) in found for r in relation.restrictions)
            case Computed(name):
                return (type_name, name) in found
            case Through():
                return any(target in found for target in model.through(type_name, rewrite))
            case Union(operands):
                return any(possible(type_name, relation, operand) for operand in operands)
            case Intersection(operands):
                return all(possible(type_name, relation, operand) for operand in operands)
            case Exclusion(base, subtract):
                return possible(type_name, relation, base) and possible(type_name, relation, subtract)

    while True:
        more = {(t, r.name) for t, r in model.relations() if (t, r.name) not in found and possible(t, r, r.rewrite)}
        if not more:
            return found
        found |= more

"""Resources with several patterns (AIP-122): one message and one set of methods, under parents of several kinds.

Each pattern makes a variant: a `Resource` of its own, with a table of its own, whose key begins with the ids of its parent and whose
foreign key leads there. What is below the methods then never knows that there are others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from protoplane.contract.casing import snake
from protoplane.contract.model import Pattern, Place, Resource
from protoplane.contract.report import Report


def variants_of(first: Resource, patterns: Sequence[Pattern]) -> tuple[Resource, ...]:
    """One resource for each of several patterns. `first` has what they share, and the table of the first pattern.

    That table is called as if there were no other pattern: to a resource that is served already a pattern can be added.
    """
    return tuple(
        replace(
            first,
            key=f"{first.type} {pattern.text}",
            pattern=pattern,
            table=f"{first.table}_{_below(pattern)}" if place else first.table,
        )
        for place, pattern in enumerate(patterns)
    )


def _below(pattern: Pattern) -> str:
    above = pattern.collections[:-1]
    return "_".join(("of", *map(snake, above))) if above else "at_top"


def faces(resources: Iterable[Resource]) -> dict[str, Resource]:
    """The resource that stands for each type where its patterns do not matter.

    Of several it is the one with the most levels: the methods of all have a parent, if only one can be below something.
    """
    found: dict[str, Resource] = {}
    for resource in resources:
        known = found.setdefault(resource.type, resource)
        if len(resource.pattern.variables) > len(known.pattern.variables):
            found[resource.type] = resource
    return found


def lint_variants(resources: Sequence[Resource], place: Callable[[Resource], Place], report: Report) -> None:
    """What several patterns exclude: parents that do not tell them apart, and what one table alone can see to."""
    by_type: dict[str, list[Resource]] = {}
    for resource in resources:
        if resource.several:
            by_type.setdefault(resource.type, []).append(resource)
    for variants in by_type.values():
        _lint_parents(variants, place, report)
        _lint_shared(variants[0], variants, place, report)


def _lint_parents(variants: Sequence[Resource], place: Callable[[Resource], Place], report: Report) -> None:
    """The parent in a request says which pattern is meant, so each has its own."""
    parents: dict[tuple[str, ...], Resource] = {}
    for variant in variants:
        twin = parents.setdefault(variant.pattern.collections[:-1], variant)
        if twin is not variant and twin.pattern.collections != variant.pattern.collections:
            problem = (
                f"the patterns {twin.pattern.text!r} and {variant.pattern.text!r} of {variant.message.name} stand below the same parents:"
                " its name would not say in which of them to list or create"
            )
            report.add(place(variant), "pattern-ambiguous", problem, "give each pattern a parent of its own kind, or keep one of them")


def _lint_shared(first: Resource, variants: Sequence[Resource], place: Callable[[Resource], Place], report: Report) -> None:
    name = first.message.name
    if len({variant.pattern.singleton for variant in variants}) > 1:
        problem = f"{name} is a singleton by one pattern and not by another: its methods would differ"
        report.add(place(first), "pattern-several", problem, "give all patterns a {variable} at their end, or none")
    mend = "take it away, or keep one pattern: several are kept in several tables, and no index is over them all"
    if first.id.unique:
        report.add(place(first), "pattern-several", f"the ids of {name} are unique across parents, and it has several patterns", mend)
    for index in first.indexes:
        if index.unique:
            problem = f"{name} has several patterns, and must be unique by {', '.join(index.paths)}"
            report.add(index.place, "pattern-several", problem, mend)


def followable(reference: str, resources: Mapping[str, Resource]) -> str:
    """Why what a reference of this type names cannot be read along with it, as the end of "which …"; empty when it can."""
    if reference in resources:
        return ""
    if any(resource.type == reference for resource in resources.values()):
        return "refers to a resource with several patterns: its names are stored whole, and lead to no one table"
    return "does not refer to one resource that is stored here"

"""Expansions: fields that answers fill with the resource that a reference beside them names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from protoplane.contract.model import Behavior, Field, Kind, Label, Method, MethodKind, Resource
from protoplane.contract.report import Report
from protoplane.contract.variants import followable

EXPANSIONS_DEEP_MAX = 2
"""Expansions inside one another that a mask may name: each is one more statement, and each row may bring a whole other one."""


def reference_of(resource: Resource, expansion: Field) -> Field | None:
    """The reference that says what fills an expansion of a resource; None when there is no such field."""
    return next((field for field in resource.fields if field.name == expansion.expand and field is not expansion), None)


def lint_expansions(resources: Mapping[str, Resource], methods: Iterable[Method], report: Report) -> None:
    """Judge every expansion of the resources; those of other messages are judged with the messages."""
    readable = {method.resource.type for method in methods if method.kind is MethodKind.GET and method.resource is not None}
    for resource in resources.values():
        for field in resource.fields:
            if field.expand:
                _lint(resource, field, resources, report)
                reference = reference_of(resource, field)
                target = resources.get(reference.reference) if reference else None
                if target is not None and target.type not in readable:
                    problem = f"`{field.name}` is filled with a {target.message.name}, and no method Get{target.message.name} says who may read it"
                    report.add(field.place, "expand-unreadable", problem, "add the method, with its rule, or take the expansion away")


def _lint(resource: Resource, field: Field, resources: Mapping[str, Resource], report: Report) -> None:
    if not field.has(Behavior.OUTPUT_ONLY):
        problem = f"`{field.name}` is filled by its reference and could be written, which would do nothing"
        report.add(field.place, "expand-writable", problem, "add (google.api.field_behavior) = OUTPUT_ONLY")
    reference = reference_of(resource, field)
    problem = _reference_problem(reference, resources)
    if reference is None or problem:
        mend = "name the string field beside it that has a (google.api.resource_reference).type of this contract"
        report.add(field.place, "expand-reference", f"`{field.name}` is to be filled by `{field.expand}`, which {problem}", mend)
        return
    target = resources[reference.reference].message
    wanted = f"{'repeated ' if reference.label is Label.REPEATED else ''}{target.name}"
    fits = field.kind is Kind.MESSAGE and field.message is not None and field.message.full_name == target.full_name
    if not fits or field.label is not reference.label:
        problem = f"`{field.name}` is not `{wanted}`, which is what `{reference.name}` refers to"
        report.add(field.place, "expand-type", problem, f"declare `{wanted} {field.name}`")
    elif field.oneof:
        problem = f"`{field.name}` is a member of a oneof: to fill it would clear the others"
        report.add(field.place, "expand-type", problem, "take it out of the oneof")


def _reference_problem(reference: Field | None, resources: Mapping[str, Resource]) -> str:
    """Why a field cannot fill an expansion, as the end of "which …"; empty when it can."""
    if reference is None:
        return "is no field beside it"
    if reference.kind is not Kind.STRING or reference.label is Label.MAP:
        return "does not refer to one resource that is stored here"
    if problem := followable(reference.reference, resources):
        return problem
    return "is INPUT_ONLY: the answer would tell what it holds" if reference.has(Behavior.INPUT_ONLY) else ""

"""Views (AIP-157): the value of a request's `view` says how much of a resource the answer holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from google.protobuf.descriptor import EnumDescriptor

from protoplane.contract.casing import snake
from protoplane.contract.expansions import EXPANSIONS_DEEP_MAX, reference_of
from protoplane.contract.model import Behavior, Field, Kind, Method, MethodKind, Resource, View
from protoplane.contract.report import Report

BASIC: Final = "BASIC"
"""What a List gives when it is not told (AIP-157)."""

FULL: Final = "FULL"
"""Everything that is stored, unless it is declared otherwise; what a Get gives when it is not told."""

_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*")


def view_names(enum: EnumDescriptor) -> dict[int, str]:
    """The views that an enum names, by number: `BASIC` for `BOOK_VIEW_BASIC`. The first value, which is unspecified, is none."""
    prefix = f"{snake(enum.name).upper()}_"
    return {value.number: value.name.removeprefix(prefix) for value in enum.values if value.number}


def view_enum(method: Method) -> EnumDescriptor | None:
    """The enum of a standard method's `view`; None where it has none."""
    field = None if method.kind is MethodKind.CUSTOM else method.request_field("view")
    return None if field is None else field.enum


def lint_views(resources: Mapping[str, Resource], methods: Sequence[Method], report: Report) -> None:
    """Every view of a resource, and every value of the enums that its methods take."""
    for resource in resources.values():
        enums = {enum.full_name: enum for method in methods if method.resource is resource and (enum := view_enum(method)) is not None}
        _lint_declared(resource, resources, {name for enum in enums.values() for name in view_names(enum).values()}, report)
        declared = {view.name for view in resource.views}
        for enum in enums.values():
            for name in view_names(enum).values():
                if name not in declared and name != FULL:
                    problem = f"{enum.name} has a view {name}, and nothing says what it holds of {resource.message.name}"
                    mend = f'declare it: option (protoplane.v1.storage).view = {{name: "{name}" fields: ["name"]}};'
                    report.add(resource.place, "view-undeclared", problem, mend)


def _lint_declared(resource: Resource, resources: Mapping[str, Resource], asked: Iterable[str], report: Report) -> None:
    seen: set[str] = set()
    for view in resource.views:
        if not _NAME.fullmatch(view.name) or view.name in seen:
            problem = (
                f"the view {view.name!r} of {resource.message.name} {'is there twice' if view.name in seen else 'is not UPPER_SNAKE_CASE'}"
            )
            report.add(view.place, "view-name", problem, "give each view the name of its enum value, without the prefix: BASIC")
        elif view.name not in asked:
            problem = f"no `view` of {resource.message.name}'s methods has a value {view.name}"
            report.add(view.place, "view-unused", problem, "add the value to the enum, or take the view away")
        seen.add(view.name)
        for path, problem in _wrong_paths(view, resource, resources):
            report.add(
                view.place, "view-path", f"`{path}` in the view {view.name} of {resource.message.name} {problem}", "name fields by path"
            )


def _wrong_paths(view: View, resource: Resource, resources: Mapping[str, Resource]) -> Iterator[tuple[str, str]]:
    if not view.paths:
        yield "", "is no field: the view names none"
    for path in view.paths:
        problem = "" if path == "*" else _path_problem(path, resource, resources)
        if problem:
            yield path, problem


def _path_problem(path: str, resource: Resource, resources: Mapping[str, Resource]) -> str:
    fields: Sequence[Field] = resource.fields
    deep = 0
    for name in path.split("."):
        found = next((field for field in fields if field.name == name), None)
        if found is None:
            return f"names no field {name!r} there is"
        if found.has(Behavior.INPUT_ONLY):
            return "is INPUT_ONLY: it is never shown"
        fields = found.fields if found.kind is Kind.MESSAGE else ()
        if found.expand:
            deep += 1
            reference = reference_of(resource, found)
            if reference is None or reference.reference not in resources:
                return ""  # Told as a finding of the expansion.
            resource = resources[reference.reference]
            fields = resource.fields
    return f"is more than {EXPANSIONS_DEEP_MAX} expansions deep" if deep > EXPANSIONS_DEEP_MAX else ""

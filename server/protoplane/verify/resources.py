"""The resources of a server and their standard methods, found by annotations, names and shapes (AIP-121 to 135, 156, 164, 231 to 235)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from protoplane.contract.casing import lower_camel, snake, upper_camel
from protoplane.verify.annotations import Annotations
from protoplane.verify.target import Target


class Role(Enum):
    """What a method does to its resource."""

    GET = "Get"
    LIST = "List"
    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"
    UNDELETE = "Undelete"
    BATCH_GET = "BatchGet"
    BATCH_CREATE = "BatchCreate"
    BATCH_UPDATE = "BatchUpdate"
    BATCH_DELETE = "BatchDelete"
    AGGREGATE = "Aggregate"


_OF_MANY: Final = {Role.LIST, Role.BATCH_GET, Role.BATCH_CREATE, Role.BATCH_UPDATE, Role.BATCH_DELETE, Role.AGGREGATE}


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of resource."""

    type: str
    """As annotated; else the message's full name."""
    message: Descriptor
    patterns: tuple[str, ...]
    """None where nothing is annotated."""
    word: str
    """Its name in requests: `incident_report`."""
    plural: str
    methods: Mapping[Role, MethodDescriptor]
    name_field: str = "name"
    parents: tuple[str, ...] = field(default=())
    """Types of its parents, one for each pattern; "" is none."""

    @property
    def title(self) -> str:
        """As people call it."""
        return str(self.message.name)

    @property
    def pattern(self) -> str:
        """The one of its patterns that checks go by: the first below a kind that is known, else the first."""
        place = next((place for place, parent in enumerate(self.parents) if parent not in {"", "?"}), 0)
        return self.patterns[place] if self.patterns else ""

    def pattern_below(self, parent: str) -> str:
        """Its pattern below resources of a type; the one that checks go by where there is none."""
        return next((pattern for pattern, above in zip(self.patterns, self.parents, strict=False) if above == parent), self.pattern)

    @property
    def singleton(self) -> bool:
        """Whether each parent has exactly one (AIP-156)."""
        return bool(self.patterns) and all(not pattern.endswith("}") for pattern in self.patterns)

    @property
    def soft(self) -> bool:
        """Whether deleting only marks it (AIP-164)."""
        delete = self.methods.get(Role.DELETE)
        returns = delete is not None and delete.output_type is self.message
        return Role.UNDELETE in self.methods or ("delete_time" in self.message.fields_by_name and returns)

    def has(self, role: Role, *fields: str) -> bool:
        """Whether there is such a method, and its request has these fields."""
        return role in self.methods and all(name in self.methods[role].input_type.fields_by_name for name in fields)

    def method_name(self, role: Role) -> str:
        """The name that the method has, or would have."""
        if role in self.methods:
            return str(self.methods[role].name)
        return role.value + (upper_camel(self.plural) if role in _OF_MANY else upper_camel(self.title))

    def rows_field(self, role: Role) -> str:
        """Name of the field that holds the resources in the answer of a method; "" when there is none."""
        found = self.methods.get(role)
        return "" if found is None else next((each.name for each in found.output_type.fields if self._is_rows(each)), "")

    def _is_rows(self, each: FieldDescriptor) -> bool:
        return each.is_repeated and each.message_type is self.message


def find_kinds(target: Target, annotations: Annotations) -> list[Kind]:
    """Every kind of resource that the server's standard methods are about, parents first."""
    methods: dict[str, list[MethodDescriptor]] = {}
    for service in target.services:
        for method in service.methods:
            if not (method.client_streaming or method.server_streaming):
                methods.setdefault(method.name, []).append(method)
    messages = {message.full_name: message for found in methods.values() for each in found for message in _spoken_of(each)}
    kinds = [kind for message in messages.values() if (kind := _kind(message, methods, annotations)) is not None]
    return _ordered([_with_parents(kind, kinds) for kind in kinds])


def _spoken_of(method: MethodDescriptor) -> Iterable[Descriptor]:
    """The messages that a method may be about."""
    yield method.output_type
    for message in (method.input_type, method.output_type):
        yield from (each.message_type for each in message.fields if each.message_type is not None)


def _kind(message: Descriptor, methods: Mapping[str, list[MethodDescriptor]], annotations: Annotations) -> Kind | None:
    facts = annotations.resource(message)
    singular = (facts and facts.singular) or lower_camel(message.name)
    pattern = facts.patterns[0] if facts and facts.patterns else ""
    plural = (facts and facts.plural) or _collection(pattern) or _plural_in(message, methods) or f"{singular}s"
    names = {role: role.value + upper_camel(plural if role in _OF_MANY else singular) for role in Role}
    found: dict[Role, MethodDescriptor] = {}
    for role, name in names.items():
        fitting = [each for each in methods.get(name, ()) if _fits(role, each, message)]
        # Two services may have one resource (an old and a new version do): all its methods are taken of one of them.
        mine = [each for each in fitting if any(each.containing_service is known.containing_service for known in found.values())]
        if fitting:
            found[role] = (mine or fitting)[0]
    name_field = facts.name_field if facts else "name"
    named = name_field in message.fields_by_name and message.fields_by_name[name_field].type == FieldDescriptor.TYPE_STRING
    if not named or not found or (facts is None and not {Role.LIST, Role.CREATE} & found.keys()):
        return None
    return Kind(
        type=facts.type if facts else message.full_name,
        message=message,
        patterns=facts.patterns if facts else (),
        word=snake(singular),
        plural=plural,
        methods=found,
        name_field=name_field,
    )


def _collection(pattern: str) -> str:
    segments = pattern.split("/")
    return segments[-2] if len(segments) > 1 and segments[-1].endswith("}") else ""


def _plural_in(message: Descriptor, methods: Mapping[str, list[MethodDescriptor]]) -> str:
    """The plural by a List method whose answer holds the message."""
    for name, found in methods.items():
        for method in found:
            if name.startswith("List") and any(each.is_repeated and each.message_type is message for each in method.output_type.fields):
                return lower_camel(name.removeprefix("List"))
    return ""


def _fits(  # noqa: PLR0911 - one return a role reads as the table it is.
    role: Role, method: MethodDescriptor, message: Descriptor
) -> bool:
    """Whether a method with the standard name has the standard shape, as far as it matters here."""
    asked, given = method.input_type.fields_by_name, method.output_type
    holds = any(each.message_type is message and not each.is_repeated for each in method.input_type.fields)
    rows = any(each.message_type is message and each.is_repeated for each in given.fields)
    match role:
        case Role.GET | Role.UNDELETE:
            return "name" in asked and given is message
        case Role.LIST:
            return rows
        case Role.CREATE | Role.UPDATE:
            return holds and given is message
        case Role.DELETE:
            return "name" in asked and (given is message or given.full_name == "google.protobuf.Empty")
        case Role.BATCH_GET:
            return "names" in asked and rows
        case Role.BATCH_CREATE | Role.BATCH_UPDATE:
            return "requests" in asked and rows
        case Role.BATCH_DELETE:
            return "names" in asked or "requests" in asked
        case Role.AGGREGATE:
            return True


def _with_parents(kind: Kind, kinds: Iterable[Kind]) -> Kind:
    """The kind with its parents, by the patterns of the others."""
    by_shape = {_shape(pattern): other.type for other in kinds for pattern in other.patterns}
    parents = tuple(by_shape.get(_shape(parent), "?") if (parent := parent_pattern(pattern)) else "" for pattern in kind.patterns)
    if not kind.patterns:
        parents = ("?",) if kind.has(Role.LIST, "parent") or kind.has(Role.CREATE, "parent") else ("",)
    return Kind(kind.type, kind.message, kind.patterns, kind.word, kind.plural, kind.methods, kind.name_field, parents)


def parent_pattern(pattern: str) -> str:
    """The pattern of the parent; "" for a resource at the top."""
    segments = pattern.split("/")
    return "/".join(segments[:-2] if segments[-1].endswith("}") else segments[:-1])


def _shape(pattern: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", pattern)


def _ordered(kinds: list[Kind]) -> list[Kind]:
    """Parents before their children, else as they were."""
    found: list[Kind] = []
    waiting = list(kinds)
    while waiting:
        known = {kind.type for kind in found}
        ready = [kind for kind in waiting if all(parent in known or parent not in {one.type for one in waiting} for parent in kind.parents)]
        found += ready or waiting[:1]
        waiting = [kind for kind in waiting if kind not in found]
    return found

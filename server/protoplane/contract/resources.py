"""Messages with `google.api.resource` to `model.Resource`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from google.protobuf.descriptor import Descriptor

from protoplane.base import limits
from protoplane.contract import options
from protoplane.contract.casing import lower_camel, snake
from protoplane.contract.fields import FieldReader
from protoplane.contract.ids import id_pattern_problem
from protoplane.contract.model import (
    AccessType,
    IdRule,
    IndexRule,
    MessageClass,
    Pattern,
    Place,
    RelationRule,
    Resource,
    Role,
    View,
)
from protoplane.contract.names import DEFAULT_ID_PATTERN, INTEGER_ID_PATTERN
from protoplane.contract.options import Annotations, ResourceOption, StorageOption
from protoplane.contract.pool import Places
from protoplane.contract.report import Report
from protoplane.contract.variants import variants_of

_COLLECTION: Final = re.compile(r"[a-z][a-zA-Z0-9]*")
_VARIABLE: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_TYPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*/[A-Z][A-Za-z0-9]*")
PURGE_MICROS: Final = limits.PURGE_DAYS_DEFAULT * 24 * 3_600 * 1_000_000
_LEVELS_MAX: Final = limits.INDEX_BYTES_MAX // (limits.CHARACTER_BYTES_MAX * limits.ID_CHARACTERS_MAX)
"""Ids in one name: the primary key holds them all, in 3,072 bytes."""

CONDITION_PLACE_CHARACTERS: Final = 20
"""Of the beginning of a condition, by which its place is found: what follows may stand on other lines."""


class ResourceReader:
    """Reads the resources of one pool; what is wrong with them goes to the report."""

    def __init__(self, annotations: Annotations, fields: FieldReader, places: Places, report: Report) -> None:
        self._annotations = annotations
        self._fields = fields
        self._places = places
        self._report = report

    def read(self, message: Descriptor, message_class: MessageClass) -> tuple[Resource, ...]:
        """The resource that a message is, once for each of its patterns; nothing when it is none, or not well enough described to be one."""
        option = self._annotations.resource(message)
        storage = self._annotations.storage(message)
        if option is None:
            for number, word in ((options.STORAGE, "storage"), (options.ACCESS, "access")):
                if self._annotations.says(message, number):
                    problem = f"{message.name} has {word} options and is no resource"
                    mend = f"add option (google.api.resource), or take the {word} options away"
                    self._report.add(self._places.message_option(message, number), "storage-unused", problem, mend)
            return ()
        patterns = self._patterns(message, option)
        named = self._check_name(message, option)
        typed = self._check_type(message, option)
        storage = storage or StorageOption()
        id_rule = self._id_rule(message, storage)
        if not patterns or not named or not typed:
            return ()
        plural = option.plural or patterns[0].collections[-1]
        first = Resource(
            type=option.type,
            key=option.type,
            singular=option.singular or lower_camel(option.type.rpartition("/")[2]),
            plural=plural,
            pattern=patterns[0],
            message=message,
            message_class=message_class,
            fields=self._fields.of_resource(message),
            id=id_rule,
            indexes=self._indexes(message, storage),
            table=storage.table or snake(plural),
            parent="",
            purge_after_micros=PURGE_MICROS if storage.purge_after_micros is None else storage.purge_after_micros,
            place=self._places.message(message),
            views=self._views(message, storage),
            unlogged=storage.unlogged,
            patterns=tuple(pattern.text for pattern in patterns),
            access=self._access(message, option.singular or lower_camel(option.type.rpartition("/")[2])),
        )
        return variants_of(first, patterns) if first.several else (first,)

    def _at(self, message: Descriptor, *inside: str) -> Place:
        return self._places.message_option(message, options.RESOURCE, *inside)

    def _check_type(self, message: Descriptor, option: ResourceOption) -> bool:
        if _TYPE.fullmatch(option.type):
            return True
        self._report.add(
            self._at(message, "type"),
            "type-malformed",
            f"the resource type {option.type!r} is not a service name, a slash and an UpperCamelCase type",
            f'write it like type: "library.example.com/{message.name}"',
        )
        return False

    def _check_name(self, message: Descriptor, option: ResourceOption) -> bool:
        if option.name_field not in {"", "name"}:
            problem = f"the resource name of {message.name} is in {option.name_field!r}; only the field `name` is served (AIP-122)"
            self._report.add(self._at(message, "name_field"), "name-field", problem, "call the field `name` and drop name_field")
            return False
        if any(field.role is Role.NAME for field in self._fields.of_resource(message)):
            return True
        found = message.fields_by_name.get("name")
        place = self._places.message(message) if found is None else self._places.field(found)
        problem = f"{message.name} is a resource {'without a field `name`' if found is None else 'whose `name` is not a plain string'}"
        self._report.add(place, "name-field", problem, "declare `string name = 1 [(google.api.field_behavior) = IDENTIFIER];`")
        return False

    def _patterns(self, message: Descriptor, option: ResourceOption) -> tuple[Pattern, ...]:
        if not option.patterns:
            mend = f'give one, like pattern: "{lower_camel(message.name)}s/{{{snake(message.name)}}}"'
            self._report.add(self._at(message, "pattern"), "pattern-missing", f"{message.name} has no pattern", mend)
        parsed = [(text, *parse_pattern(text)) for text in option.patterns]
        for text, pattern, problem in parsed:
            if pattern is None:
                mend = 'write pairs of a camelCase plural and a {variable}: "publishers/{publisher}/books/{book}"'
                self._report.add(self._at(message, f'"{text}"'), "pattern-malformed", f"the pattern {text!r} {problem}", mend)
        return tuple(pattern for _, pattern, _ in parsed if pattern is not None)

    def _id_rule(self, message: Descriptor, storage: StorageOption) -> IdRule:
        pattern = storage.id_pattern or DEFAULT_ID_PATTERN
        problem = id_pattern_problem(pattern)
        if problem:
            self._report.add(
                self._places.message_option(message, options.STORAGE, "pattern"),
                "id-pattern",
                f"the id pattern {pattern!r} {problem}",
                f"use a bounded regular expression such as {DEFAULT_ID_PATTERN!r}",
            )
        if storage.id_integer and not storage.id_pattern:
            pattern = INTEGER_ID_PATTERN
        return IdRule(storage.id_source, DEFAULT_ID_PATTERN if problem else pattern, storage.id_unique, storage.id_integer)

    def _indexes(self, message: Descriptor, storage: StorageOption) -> tuple[IndexRule, ...]:
        rules: list[IndexRule] = []
        before: list[str] = []  # What stands in the braces before an index, to find the right one of two that start alike.
        for paths, unique in storage.indexes:
            quoted = [f'"{path}"' for path in paths]
            rules.append(IndexRule(paths, unique, self._places.message_option(message, options.STORAGE, *before, *quoted[:1])))
            before += quoted
        return tuple(rules)

    def _access(self, message: Descriptor, singular: str) -> AccessType:
        said = self._annotations.access(message)
        place = partial(self._places.message_option, message, options.ACCESS)
        named = [text for one in said.relations for text in ("name:", f'"{one.name}"')]  # In quotes alone it may be a grant before it.
        relations = tuple(
            RelationRule(one.name, one.expression, one.field, one.grant, one.creator, place("relation", *named[: 2 * at + 2]))
            for at, one in enumerate(said.relations)
        )
        conditions = tuple((text, place("condition", f'"{text[:CONDITION_PLACE_CHARACTERS]}')) for text in said.conditions)
        return AccessType(said.type or snake(singular), relations, conditions, place())

    def _views(self, message: Descriptor, storage: StorageOption) -> tuple[View, ...]:
        quoted = [f'"{name}"' for name, _ in storage.views]
        places = [self._places.message_option(message, options.STORAGE, "view", *quoted[: at + 1]) for at in range(len(quoted))]
        return tuple(View(name, paths, place) for (name, paths), place in zip(storage.views, places, strict=True))


def parse_pattern(text: str) -> tuple[Pattern | None, str]:
    """A pattern, or None and why it is not one, as the end of "the pattern …"."""
    segments = text.split("/")
    collections, variables = segments[::2], [_VARIABLE.fullmatch(segment) for segment in segments[1::2]]
    apart = len(segments) % 2 == 1 and len(segments) > 1 and bool(_COLLECTION.fullmatch(segments[-1]))
    names = [variable[1] for variable in variables if variable]
    if text == "*" or "*" in text:
        problem = "has a wildcard; every level must be named"
    elif (len(segments) % 2 and not apart) or not all(_COLLECTION.fullmatch(collection) for collection in collections) or None in variables:
        problem = "is not collection/{variable} pairs with camelCase collections and snake_case variables (after them, of a singleton, its own word)"
    elif len(set(names)) < len(names):
        problem = "has the same variable twice"
    elif len(names) > _LEVELS_MAX:
        problem = f"has more than {_LEVELS_MAX} levels, more than a primary key can hold"
    else:
        return Pattern(text, tuple(collections), tuple(names)), ""
    return None, problem


def with_parents(resources: Mapping[str, Resource]) -> dict[str, Resource]:
    """The same resources, by key, each with the key of the one whose pattern it stands below, and with what their ids are."""
    keys = {resource.pattern.collections: resource.key for resource in resources.values() if not resource.pattern.singleton}
    numbered = {resource.pattern.collections for resource in resources.values() if resource.id.integer}
    return {
        key: replace(resource, parent=keys.get(resource.pattern.collections[:-1], ""), pattern=_with_integers(resource.pattern, numbered))
        for key, resource in resources.items()
    }


def _with_integers(pattern: Pattern, numbered: Collection[tuple[str, ...]]) -> Pattern:
    places = range(len(pattern.variables))
    return replace(pattern, integers=frozenset(place for place in places if pattern.collections[: place + 1] in numbered))

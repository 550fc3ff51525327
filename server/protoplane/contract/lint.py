"""What can only be judged when a whole contract has been read: references, behaviours, clashes, columns.

What cannot even be read into the model is reported where it is read (`resources`, `methods`); `report.RULES` lists every rule.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import protovalidate
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.message import Message

from protoplane.base import limits
from protoplane.contract import options
from protoplane.contract.columns import is_stored_reference, stored_columns
from protoplane.contract.indexes import lint_indexes
from protoplane.contract.model import Behavior, Field, MessageClass, Pattern, Place, Resource, Role
from protoplane.contract.options import Annotations, FieldOption
from protoplane.contract.pool import Places, messages_of
from protoplane.contract.report import Report
from protoplane.contract.resources import parse_pattern
from protoplane.contract.variants import lint_variants
from protoplane.contract.widths import lint_width

_IDENTIFIER: Final = re.compile(rf"[a-z_][a-z0-9_]{{0,{limits.IDENTIFIER_CHARACTERS_MAX - 1}}}")
"""Table and column names. Lower case means the same on every engine and file system."""

_TRUTHS: Final = frozenset({"true", "false"})
"""SQLite takes TRUE in a statement for a column of that name, where there is one: `x IS TRUE` would ask for its value."""

_TAKEN_NAMES: Final = frozenset(dir(Message))
"""What every message has in Python: a field of the same name hides it, from the server too."""

_KEPT_TABLES: Final = ("protoplane_", "sqlite_")
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_WIRE: Final[Mapping[int, tuple[int, bytes]]] = {
    FieldDescriptor.TYPE_DOUBLE: (_FIXED64, bytes(8)),
    FieldDescriptor.TYPE_FIXED64: (_FIXED64, bytes(8)),
    FieldDescriptor.TYPE_SFIXED64: (_FIXED64, bytes(8)),
    FieldDescriptor.TYPE_FLOAT: (_FIXED32, bytes(4)),
    FieldDescriptor.TYPE_FIXED32: (_FIXED32, bytes(4)),
    FieldDescriptor.TYPE_SFIXED32: (_FIXED32, bytes(4)),
    FieldDescriptor.TYPE_STRING: (_DELIMITED, b"\0"),
    FieldDescriptor.TYPE_BYTES: (_DELIMITED, b"\0"),
    FieldDescriptor.TYPE_MESSAGE: (_DELIMITED, b"\0"),
}
_BROKEN_RULE: Final = re.compile(r"(?:expression|program|evaluating) (\S+): ")

_KEPT_AS_IDS: Final = "is kept as the ids of a name, in which no word can be looked for"

_CONFLICTS: Final = (
    (Behavior.REQUIRED, Behavior.OUTPUT_ONLY),
    (Behavior.INPUT_ONLY, Behavior.OUTPUT_ONLY),
)


class Linter:
    """Judges the messages of a contract's own files and the resources made of them."""

    def __init__(self, annotations: Annotations, places: Places, report: Report, *, files: Iterable[FileDescriptor]) -> None:
        self._annotations = annotations
        self._places = places
        self._report = report
        self._declared = dict(self._declarations(files))
        patterns = (parse_pattern(text)[0] for texts in self._declared.values() for text in texts)
        self._collections = frozenset(pattern.collections for pattern in patterns if pattern is not None and not pattern.singleton)

    def lint_messages(self, messages: Sequence[Descriptor], classes: Mapping[str, MessageClass]) -> None:
        """Every field of the contract's own messages, and the validation rules of each."""
        for message in messages:
            resource = self._annotations.resource(message) is not None
            for field in message.fields:
                said = self._annotations.field(field)
                self._lint_name(field)
                self._lint_reference(field, said)
                self._lint_behaviors(field, said, resource=resource)
                if said.expand and not resource:
                    problem = f"`{field.name}` is an expansion, and {message.name} is no resource"
                    self._report.add(
                        self._places.field(field),
                        "expand-misplaced",
                        problem,
                        "take the option away: only a resource's own fields are filled",
                    )
                self._lint_searchable(field, said, resource=resource)
        self._lint_rules(messages, classes)

    def lint_resources(self, resources: Sequence[Resource]) -> None:
        """Every resource by itself, then against the others. `resources` may hold one type twice: that is a finding."""
        patterns = {resource.key: resource.pattern for resource in resources}
        self._lint_twins(resources)
        lint_variants(resources, self._at_pattern, self._report)
        for resource in resources:
            self._lint_parent(resource)
            self._lint_table(resource)
            self._lint_columns(resource, list(stored_columns(resource, patterns)))
            self._lint_unstored(resource)
            self._lint_searched_names(resource, patterns)
            self._lint_roles(resource)
            self._lint_soft_delete(resource)
            self._lint_id(resource)
            self._lint_singleton(resource)
            lint_indexes(resource, patterns, self._report)
            lint_width(resource, patterns, self._report)

    def _declarations(self, files: Iterable[FileDescriptor]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Types and patterns of every resource that any file declares, stored here or not."""
        for file in files:
            for definition in self._annotations.definitions(file):
                yield definition.type, definition.patterns
            for message in messages_of(file):
                option = self._annotations.resource(message)
                if option is not None:
                    yield option.type, option.patterns

    def _lint_name(self, field: FieldDescriptor) -> None:
        if field.name in _TAKEN_NAMES:
            problem = f"`{field.name}` is called as something that every message has in Python"
            self._report.add(self._places.field(field), "field-name", problem, "call it otherwise, in lower_snake_case (AIP-140)")

    def _lint_reference(self, field: FieldDescriptor, said: FieldOption) -> None:
        place = self._places.field_option(field, options.REFERENCE)
        for name in (said.reference, said.reference_child):
            if name not in {"", "*"} and name not in self._declared:
                known = ", ".join(sorted(self._declared)) or "none"
                problem = f"`{field.name}` refers to {name!r}, which no file declares (declared are: {known})"
                mend = "correct the type, or declare it with option (google.api.resource_definition)"
                self._report.add(place, "reference-unknown", problem, mend)
        text = field.type == FieldDescriptor.TYPE_STRING
        wrapped = field.message_type is not None and field.message_type.full_name == "google.protobuf.StringValue"
        if (said.reference or said.reference_child) and not text and not wrapped:
            problem = f"`{field.name}` refers to a resource and is not a string"
            self._report.add(place, "reference-type", problem, "make it a string: it holds the name of the resource")

    def _lint_behaviors(self, field: FieldDescriptor, said: FieldOption, *, resource: bool) -> None:
        place = self._places.field_option(field, options.BEHAVIOR)
        for one, other in _CONFLICTS:
            if {one, other} <= said.behaviors:
                problem = f"`{field.name}` is {one.value} and {other.value} at once"
                self._report.add(place, "behavior-conflict", problem, "keep one of them")
        is_name = resource and field.name == "name"
        if Behavior.IDENTIFIER in said.behaviors and not is_name:
            problem = f"`{field.name}` is an IDENTIFIER; only the field `name` of a resource is (AIP-203)"
            self._report.add(place, "behavior-misplaced", problem, "take the behaviour away, or use IMMUTABLE")
        if Behavior.REQUIRED in said.behaviors and is_name:
            problem = "the `name` of a resource is REQUIRED, but a create ignores it (AIP-203)"
            self._report.add(place, "behavior-misplaced", problem, "use IDENTIFIER")

    def _lint_searchable(self, field: FieldDescriptor, said: FieldOption, *, resource: bool) -> None:
        if not said.searchable:
            return
        wrapped = field.message_type is not None and field.message_type.full_name == "google.protobuf.StringValue"
        problem = "" if field.type == FieldDescriptor.TYPE_STRING or wrapped else "is no string"
        if said.sensitive or said.read or Behavior.INPUT_ONLY in said.behaviors or (resource and field.name == "etag"):
            problem = "may not be named in filters"
        if resource and field.name == "name":
            problem = _KEPT_AS_IDS
        if problem:
            place = self._places.field_option(field, options.FIELD)
            self._report.add(place, "searchable-type", f"`{field.name}` is searchable and {problem}", "take `searchable` away")

    def _lint_rules(self, messages: Sequence[Descriptor], classes: Mapping[str, MessageClass]) -> None:
        """Rules are compiled when first used, and names in them looked up when run: run them all now."""
        validator = protovalidate.Validator()  # One a pool: it keeps compiled rules by the full name of the message.
        files = frozenset(message.file.name for message in messages)
        broken: set[str] = set()
        for message in _inner_first(messages, files):
            if broken and broken & {inside.full_name for inside in _inner_first([message], files)}:
                continue  # It would fail for the same reason.
            text = _rules_error(classes[message.full_name], validator)
            if text:
                broken.add(message.full_name)
                self._report.add(
                    self._rule_place(message, text),
                    "validation-broken",
                    f"the buf.validate rules of {message.name} do not work: {text}",
                    "correct the rule; it must give an answer for every value, the default ones too",
                )

    def _rule_place(self, message: Descriptor, text: str) -> Place:
        """The field that the text of an error names, or the only one with the rule that it names; else the message."""
        rule = _BROKEN_RULE.search(text)
        named = [field for field in message.fields if f'"{field.full_name}"' in text]
        named = named or [field for field in message.fields if rule and rule[1] in self._annotations.rule_ids(field)]
        return self._places.field(named[0]) if len(named) == 1 else self._places.message(message)

    def _lint_twins(self, resources: Sequence[Resource]) -> None:
        types: dict[str, Resource] = {}
        names: dict[tuple[str, int], Resource] = {}
        tables: dict[str, Resource] = {}
        for resource in resources:
            twin = types.setdefault(resource.type, resource)
            if twin.message is not resource.message:
                problem = f"{resource.message.name} and {twin.message.name} are both {resource.type!r}"
                self._report.add(self._at_type(resource), "type-duplicate", problem, "give each its own type")
            twin = names.setdefault(("/".join(resource.pattern.collections), len(resource.pattern.variables)), resource)
            if twin is not resource:
                problem = f"names of {resource.message.name} look like those of {twin.message.name}: {twin.pattern.text}"
                self._report.add(self._at_pattern(resource), "pattern-duplicate", problem, "give each its own collection")
            twin = tables.setdefault(resource.table, resource)
            if twin is not resource:
                problem = f"{resource.message.name} and {twin.message.name} would both be stored in table {resource.table!r}"
                mend = 'name another one: option (protoplane.v1.storage).table = "…";'
                self._report.add(self._places.message_option(resource.message, options.STORAGE, "table"), "table-clash", problem, mend)

    def _at_type(self, resource: Resource) -> Place:
        return self._places.message_option(resource.message, options.RESOURCE, f'"{resource.type}"')

    def _at_pattern(self, resource: Resource) -> Place:
        return self._places.message_option(resource.message, options.RESOURCE, f'"{resource.pattern.text}"')

    def _lint_parent(self, resource: Resource) -> None:
        above = resource.pattern.collections[:-1]
        if above and above not in self._collections:
            parent = resource.pattern.text.rsplit("/", 1 if resource.pattern.singleton else 2)[0]
            self._report.add(
                self._at_pattern(resource),
                "parent-unknown",
                f"{resource.message.name} stands below {parent!r}, and no resource has that pattern",
                "correct the pattern, or declare the parent with option (google.api.resource_definition)",
            )

    def _lint_table(self, resource: Resource) -> None:
        if not _IDENTIFIER.fullmatch(resource.table) or resource.table.startswith(_KEPT_TABLES):
            place = self._places.message_option(resource.message, options.STORAGE, "table")
            problem = f"{resource.table!r} cannot be the table of {resource.message.name}"
            mend = f"use at most {limits.IDENTIFIER_CHARACTERS_MAX} of a-z 0-9 _, not led by a digit, by {' or by '.join(_KEPT_TABLES)}"
            self._report.add(place, "table-name", problem, mend)

    def _lint_columns(self, resource: Resource, columns: Collection[tuple[str, Field | None]]) -> None:
        taken: dict[str, Field | None] = {}
        mend = 'name one: [(protoplane.v1.field).column = "…"]'
        for name, field in columns:
            place = self._at_pattern(resource) if field is None else field.place
            if not _IDENTIFIER.fullmatch(name) or name in _TRUTHS:
                problem = f"{name!r} cannot be a column: at most {limits.IDENTIFIER_CHARACTERS_MAX} of a-z 0-9 _, not led by a digit, not true or false"
                self._report.add(place, "column-name", problem, mend)
            if name in taken:
                problem = f"{_holder(field)} and {_holder(taken[name])} would both be stored in column {name!r} of {resource.table}"
                self._report.add(place, "column-clash", problem, mend)
            taken.setdefault(name, field)

    def _lint_unstored(self, resource: Resource) -> None:
        """A column name on a field that has no column of its own would silently do nothing."""
        stored = {field.path for _, field in stored_columns(resource, {}) if field is not None}
        for field in _all_fields(resource.fields):
            if field.column and field.path not in stored:
                problem = f"`{field.path}` has a column name and no column"
                self._report.add(field.place, "column-unused", problem, "take the column name away")

    def _lint_searched_names(self, resource: Resource, patterns: Mapping[str, Pattern]) -> None:
        for _, field in stored_columns(resource, patterns):
            if field is not None and field.searchable and is_stored_reference(field, patterns):
                mend = "take `searchable` away: filters compare the field with whole names, and with parts of them by `*`"
                self._report.add(field.place, "searchable-type", f"`{field.path}` is searchable and {_KEPT_AS_IDS}", mend)

    def _lint_roles(self, resource: Resource) -> None:
        wanted = {
            "etag": (Role.ETAG, "a plain string", "string etag"),
            "create_time": (Role.CREATE_TIME, "an OUTPUT_ONLY Timestamp", "google.protobuf.Timestamp create_time"),
            "update_time": (Role.UPDATE_TIME, "an OUTPUT_ONLY Timestamp", "google.protobuf.Timestamp update_time"),
            "delete_time": (Role.DELETE_TIME, "an OUTPUT_ONLY Timestamp", "google.protobuf.Timestamp delete_time"),
        }
        for field in resource.fields:
            role, words, declaration = wanted.get(field.name, (field.role, "", ""))
            if field.role is not role:
                problem = f"`{field.name}` of {resource.message.name} is not {words} (AIP-148, AIP-154), and would never be filled"
                self._report.add(field.place, "role-type", problem, f"declare it as `{declaration}` so, or call it otherwise")

    def _lint_id(self, resource: Resource) -> None:
        if resource.id.unique and len(resource.pattern.variables) == 1:
            place = self._places.message_option(resource.message, options.STORAGE, "unique_across_parents")
            problem = f"the ids of {resource.message.name} are unique across parents, and it has none"
            self._report.add(place, "id-option", problem, "take unique_across_parents away: the ids are unique anyway")
        storage = self._annotations.storage(resource.message)
        if resource.id.integer and storage is not None and storage.id_pattern:
            place = self._places.message_option(resource.message, options.STORAGE, "pattern")
            problem = f"the ids of {resource.message.name} are integers, and have a pattern"
            self._report.add(place, "id-option", problem, "take one of the two away")
        if resource.pattern.singleton and storage is not None and storage.has_id:
            place = self._places.message_option(resource.message, options.STORAGE, "id")
            problem = f"{resource.message.name} is a singleton: it has no id of its own"
            self._report.add(place, "id-option", problem, "take the options of the id away")

    def _lint_singleton(self, resource: Resource) -> None:
        """It comes and goes with its parent, and so has no end of its own."""
        gone = resource.with_role(Role.DELETE_TIME)
        if resource.pattern.singleton and gone is not None:
            problem = f"{resource.message.name} is a singleton, which is deleted with its parent, and has a `delete_time`"
            self._report.add(gone.place, "soft-delete", problem, "take the field away, or give the pattern a {variable} at its end")

    def _lint_soft_delete(self, resource: Resource) -> None:
        """What would be kept until when, of a resource that is not kept at all."""
        storage = self._annotations.storage(resource.message)
        place = self._places.message_option(resource.message, options.STORAGE, "purge_after")
        mend = "declare `google.protobuf.Timestamp delete_time` as OUTPUT_ONLY, or take it away"
        if storage is not None and storage.purge_after_micros is not None:
            if not resource.soft:
                problem = f"{resource.message.name} has a purge_after and no `delete_time`: it is deleted for good at once"
                self._report.add(place, "soft-delete", problem, mend)
            elif storage.purge_after_micros < 0:
                problem = f"the purge_after of {resource.message.name} is negative"
                self._report.add(place, "soft-delete", problem, "give a time to keep deleted ones for: purge_after: {seconds: 86400}")
        if resource.field("purge_time") is not None and not resource.soft:
            stray = resource.field("purge_time")
            assert stray is not None
            problem = f"`purge_time` of {resource.message.name} would never be filled: there is no `delete_time`"
            self._report.add(stray.place, "soft-delete", problem, mend)


def _holder(field: Field | None) -> str:
    return "a key column or the row version" if field is None else f"`{field.path}`"


def _all_fields(fields: Sequence[Field]) -> Iterator[Field]:
    for field in fields:
        yield field
        yield from _all_fields(field.fields)


def _inner_first(messages: Iterable[Descriptor], files: Collection[str]) -> Iterator[Descriptor]:
    """Messages and those inside them, as far as they stand in `files`, each after what it contains."""
    seen: set[str] = set()

    def visit(message: Descriptor) -> Iterator[Descriptor]:
        if message.full_name in seen or message.file.name not in files:
            return
        seen.add(message.full_name)
        for field in message.fields:
            if field.message_type is not None:
                yield from visit(field.message_type)
        if not message.GetOptions().map_entry:
            yield message

    for message in messages:
        yield from visit(message)


def _rules_error(message_class: MessageClass, validator: protovalidate.Validator) -> str:
    """Why the rules of a message cannot be used; empty when they can."""
    for sample in _samples(message_class):
        try:
            validator.collect_violations(sample)
        except (protovalidate.CompilationError, protovalidate.EvaluationError) as error:
            return " ".join(str(error).split())
    return ""


def _samples(message_class: MessageClass) -> Iterator[Message]:
    """An empty message, then one with each field set once to an empty value: every rule runs, also in a oneof or a list.

    Made as wire bytes (a tag and a zero), which is the same for singular, repeated and map fields.
    """
    yield message_class()
    for field in message_class.DESCRIPTOR.fields:
        wire_type, value = _WIRE.get(field.type, (_VARINT, b"\0"))
        yield message_class.FromString(_varint(field.number << 3 | wire_type) + value)


def _varint(value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])

"""The annotations of a contract, as plain values.

Options of a private pool are read by parsing them again with that pool's own classes: the runtime hands them out as
messages of the default pool, in which the extensions are unknown fields.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor, OneofDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from protoplane.contract.model import Access, Behavior, HttpBinding, Idempotency, IdSource

RESOURCE = 1053
"""Number of `google.api.resource` among message options and of `google.api.resource_definition` among file options."""
REFERENCE = 1055
BEHAVIOR = 1052
STORAGE = 52701
FIELD = 52702
RULE = 52703
ACCESS = 52704

_ID_SOURCES: Final = {0: IdSource.EITHER, 1: IdSource.EITHER, 2: IdSource.CLIENT, 3: IdSource.SERVER}


@dataclass(frozen=True, slots=True)
class ResourceOption:
    """`google.api.resource` or one `google.api.resource_definition`."""

    type: str
    patterns: tuple[str, ...]
    singular: str
    plural: str
    name_field: str


@dataclass(frozen=True, slots=True)
class StorageOption:
    """`protoplane.v1.storage`; `indexes` are the paths of each index and whether it is unique, `views` names and paths."""

    table: str = ""
    indexes: tuple[tuple[tuple[str, ...], bool], ...] = ()
    id_source: IdSource = IdSource.EITHER
    id_pattern: str = ""
    has_id: bool = False
    """Whether it says anything about ids."""
    id_unique: bool = False
    id_integer: bool = False
    """Whether the last id is unique whatever the parent."""
    purge_after_micros: int | None = None
    """How long deleted ones are kept; None when it does not say."""
    views: tuple[tuple[str, tuple[str, ...]], ...] = ()
    unlogged: bool = False


@dataclass(frozen=True, slots=True)
class FieldOption:
    """Everything the annotations say about a field."""

    behaviors: frozenset[Behavior] = frozenset()
    reference: str = ""
    reference_child: str = ""
    format: str = ""
    max_length: int = 0
    sensitive: bool = False
    searchable: bool = False
    column: str = ""
    expand: str = ""
    read: str = ""
    write: str = ""


@dataclass(frozen=True, slots=True)
class RelationOption:
    """One relation of `protoplane.v1.access`."""

    name: str
    expression: str
    field: str
    grant: str
    creator: bool


@dataclass(frozen=True, slots=True)
class AccessOption:
    """`protoplane.v1.access`."""

    type: str = ""
    relations: tuple[RelationOption, ...] = ()
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleOption:
    """`protoplane.v1.rule`; `access` is None when it says nothing or says false."""

    access: Access | None
    permission: str = ""
    relation: str = ""


class Annotations:
    """Reads the options of one pool, which must hold the files of `sources.ANNOTATIONS`."""

    def __init__(self, pool: DescriptorPool) -> None:
        # Untyped: the stubs know extensions only as members of generated modules.
        extension: Callable[[str], Any] = pool.FindExtensionByName

        self._file_options = _options_class(pool, "FileOptions")
        self._message_options = _options_class(pool, "MessageOptions")
        self._oneof_options = _options_class(pool, "OneofOptions")
        self._field_options = _options_class(pool, "FieldOptions")
        self._method_options = _options_class(pool, "MethodOptions")
        self._resource = extension("google.api.resource")
        self._definition = extension("google.api.resource_definition")
        self._reference = extension("google.api.resource_reference")
        self._behavior = extension("google.api.field_behavior")
        self._info = extension("google.api.field_info")
        self._storage = extension("protoplane.v1.storage")
        self._field = extension("protoplane.v1.field")
        self._rule = extension("protoplane.v1.rule")
        self._access = extension("protoplane.v1.access")
        self._message_rules = extension("buf.validate.message")
        self._oneof_rules = extension("buf.validate.oneof")
        self._field_rules = extension("buf.validate.field")
        try:
            self._operation: Any = extension("google.longrunning.operation_info")
        except KeyError:  # Nobody imports it, so no method has it.
            self._operation = None
        try:
            self._http: Any = extension("google.api.http")
        except KeyError:
            self._http = None

    def resource(self, message: Descriptor) -> ResourceOption | None:
        """What a message says of itself as a resource; None when it says nothing."""
        found = _said(self._message_options, message, self._resource)
        return None if found is None else _resource_option(found)

    def definitions(self, file: FileDescriptor) -> tuple[ResourceOption, ...]:
        """Resources of other services that a file declares."""
        if not file.has_options:
            return ()
        options: Any = self._file_options.FromString(file.GetOptions().SerializeToString())
        return tuple(_resource_option(found) for found in options.Extensions[self._definition])

    def storage(self, message: Descriptor) -> StorageOption | None:
        """How a message asks to be stored; None when it says nothing."""
        found: Any = _said(self._message_options, message, self._storage)
        if found is None:
            return None
        return StorageOption(
            table=found.table,
            indexes=tuple((tuple(index.fields), index.unique) for index in found.index),
            id_source=_ID_SOURCES.get(found.id.source, IdSource.EITHER),
            id_pattern=found.id.pattern,
            has_id=found.HasField("id"),
            id_integer=found.id.integer,
            id_unique=found.id.unique_across_parents,
            purge_after_micros=_micros(found.purge_after) if found.HasField("purge_after") else None,
            views=tuple((view.name, tuple(view.fields)) for view in found.view),
            unlogged=found.unlogged,
        )

    def field(self, field: FieldDescriptor) -> FieldOption:
        """Everything said about a field; all defaults when nothing is."""
        if not field.has_options:
            return FieldOption()
        options: Any = self._field_options.FromString(field.GetOptions().SerializeToString())
        said = options.Extensions
        names = {self._behavior.enum_type.values_by_number[number].name for number in said[self._behavior]}
        formats = self._info.message_type.fields_by_name["format"].enum_type.values_by_number
        form = said[self._info].format
        return FieldOption(
            behaviors=frozenset(behavior for behavior in Behavior if behavior.value in names),
            reference=said[self._reference].type,
            reference_child=said[self._reference].child_type,
            format=formats[form].name if form in formats and form else "",
            max_length=_max_length(said[self._field_rules]),
            sensitive=said[self._field].sensitive,
            searchable=said[self._field].searchable,
            column=said[self._field].column,
            expand=said[self._field].expand,
            read=said[self._field].read,
            write=said[self._field].write or said[self._field].read,
        )

    def access(self, message: Descriptor) -> AccessOption:
        """What a message says of relations; all defaults when it says nothing."""
        found: Any = _said(self._message_options, message, self._access)
        if found is None:
            return AccessOption()
        relations = tuple(RelationOption(one.name, getattr(one, "is"), one.field, one.grant, one.creator) for one in found.relation)
        return AccessOption(found.type, relations, tuple(found.condition))

    def says(self, message: Descriptor, number: int) -> bool:
        """Whether a message has an option of ours, by its number."""
        extension = {STORAGE: self._storage, ACCESS: self._access}[number]
        return _said(self._message_options, message, extension) is not None

    def rule(self, method: MethodDescriptor) -> RuleOption | None:
        """Who may call a method; None when it does not say."""
        options: Any = self._method_options.FromString(method.GetOptions().SerializeToString())
        if not options.HasExtension(self._rule):
            return None
        rule = options.Extensions[self._rule]
        who = rule.WhichOneof("who")
        if who is None or not getattr(rule, who):
            return RuleOption(None)
        return RuleOption(Access(who), rule.permission, getattr(rule, who) if who in {Access.CHECK, Access.SCOPE} else "")

    def idempotency(self, method: MethodDescriptor) -> Idempotency:
        """What `idempotency_level` promises."""
        options: Any = self._method_options.FromString(method.GetOptions().SerializeToString())
        return Idempotency(options.idempotency_level)

    def has_rules(self, message: Descriptor) -> bool:
        """Whether buf.validate rules stand in a message itself (not in those it contains)."""
        found = (self.message_rules(message), *map(self.field_rules, message.fields), *map(self.oneof_rules, message.oneofs))
        return any(rules is not None for rules in found)

    def rule_ids(self, field: FieldDescriptor) -> frozenset[str]:
        """Ids of the buf.validate rules that stand at a field: `string.max_len`, and those that CEL rules give themselves."""
        rules: Any = self.field_rules(field)
        if rules is None:
            return frozenset()
        of_type = rules.WhichOneof("type")
        typed = {f"{of_type}.{rule.name}" for rule, _ in getattr(rules, of_type).ListFields()} if of_type else set()
        return frozenset(typed | {rule.id for rule in rules.cel})

    def field_rules(self, field: FieldDescriptor) -> Message | None:
        """The buf.validate rules of a field; None when it has none."""
        return _said(self._field_options, field, self._field_rules)

    def message_rules(self, message: Descriptor) -> Message | None:
        """The buf.validate rules of a message itself; None when it has none."""
        return _said(self._message_options, message, self._message_rules)

    def oneof_rules(self, oneof: OneofDescriptor) -> Message | None:
        """The buf.validate rules of a oneof; None when it has none."""
        return _said(self._oneof_options, oneof, self._oneof_rules)

    def operation(self, method: MethodDescriptor) -> str:
        """Types of the result and the progress of a long-running operation (AIP-151): `Result, Progress`; empty for none."""
        if self._operation is None or not method.has_options:
            return ""
        options: Any = self._method_options.FromString(method.GetOptions().SerializeToString())
        found = options.Extensions[self._operation]
        return f"{found.response_type}, {found.metadata_type}" if options.HasExtension(self._operation) else ""

    def http(self, method: MethodDescriptor) -> tuple[HttpBinding, ...]:
        """The HTTP bindings of a method, the additional ones included."""
        if self._http is None or not method.has_options:
            return ()
        options: Any = self._method_options.FromString(method.GetOptions().SerializeToString())
        rule = options.Extensions[self._http]
        found = ((one, one.WhichOneof("pattern")) for one in (rule, *rule.additional_bindings))
        return tuple(_binding(one, pattern) for one, pattern in found if pattern)


def _said(options_class: type[Message], owner: Descriptor | FieldDescriptor | OneofDescriptor, extension: Any) -> Message | None:
    """The message that an option of a part of a contract is; None when it says nothing."""
    if not owner.has_options:
        return None
    options: Any = options_class.FromString(owner.GetOptions().SerializeToString())
    found: Message | None = options.Extensions[extension] if options.HasExtension(extension) else None
    return found


def _options_class(pool: DescriptorPool, name: str) -> type[Message]:
    return GetMessageClass(pool.FindMessageTypeByName(f"google.protobuf.{name}"))


def _binding(rule: Any, pattern: str) -> HttpBinding:
    found = getattr(rule, pattern)
    return HttpBinding(found.kind.lower(), found.path) if pattern == "custom" else HttpBinding(pattern, found)


def _resource_option(found: Any) -> ResourceOption:
    return ResourceOption(
        type=found.type,
        patterns=tuple(found.pattern),
        singular=found.singular,
        plural=found.plural,
        name_field=found.name_field,
    )


def _micros(duration: Any) -> int:
    return int(duration.seconds * 1_000_000 + duration.nanos // 1_000)


def _max_length(rules: Any) -> int:
    """Characters or bytes that the buf.validate rules of a field allow; 0 when they set no bound."""
    of_type = rules.WhichOneof("type")
    if of_type not in {"string", "bytes"}:
        return 0
    typed = getattr(rules, of_type)
    return min((getattr(typed, name) for name in ("len", "max_len") if typed.HasField(name)), default=0)

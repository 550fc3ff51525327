"""Descriptors to `model.Field` trees: kinds, labels, presence and what the annotations add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from protoplane.contract.model import Behavior, Field, Kind, Label, Presence, Role
from protoplane.contract.options import Annotations, FieldOption
from protoplane.contract.pool import Places

WRAPPERS: Final[frozenset[str]] = frozenset(
    f"google.protobuf.{name}Value" for name in ("Bool", "Int32", "Int64", "UInt32", "UInt64", "Float", "Double", "String", "Bytes")
)

_KINDS: Final[Mapping[int, Kind]] = {
    FieldDescriptor.TYPE_BOOL: Kind.BOOL,
    FieldDescriptor.TYPE_INT32: Kind.INT32,
    FieldDescriptor.TYPE_SINT32: Kind.INT32,
    FieldDescriptor.TYPE_SFIXED32: Kind.INT32,
    FieldDescriptor.TYPE_INT64: Kind.INT64,
    FieldDescriptor.TYPE_SINT64: Kind.INT64,
    FieldDescriptor.TYPE_SFIXED64: Kind.INT64,
    FieldDescriptor.TYPE_UINT32: Kind.UINT32,
    FieldDescriptor.TYPE_FIXED32: Kind.UINT32,
    FieldDescriptor.TYPE_UINT64: Kind.UINT64,
    FieldDescriptor.TYPE_FIXED64: Kind.UINT64,
    FieldDescriptor.TYPE_FLOAT: Kind.FLOAT,
    FieldDescriptor.TYPE_DOUBLE: Kind.DOUBLE,
    FieldDescriptor.TYPE_STRING: Kind.STRING,
    FieldDescriptor.TYPE_BYTES: Kind.BYTES,
    FieldDescriptor.TYPE_ENUM: Kind.ENUM,
}

_MESSAGE_KINDS: Final[Mapping[str, Kind]] = {
    "google.protobuf.Timestamp": Kind.TIMESTAMP,
    "google.protobuf.Duration": Kind.DURATION,
    "google.protobuf.Struct": Kind.JSON,
    "google.protobuf.Value": Kind.JSON,
    "google.protobuf.ListValue": Kind.JSON,
    "google.protobuf.Any": Kind.OPAQUE,
    "google.protobuf.FieldMask": Kind.OPAQUE,
    "google.protobuf.Empty": Kind.OPAQUE,
}

_ROLE_KINDS: Final[Mapping[Role, Kind]] = {
    Role.NAME: Kind.STRING,
    Role.ETAG: Kind.STRING,
    Role.CREATE_TIME: Kind.TIMESTAMP,
    Role.UPDATE_TIME: Kind.TIMESTAMP,
    Role.UID: Kind.STRING,
    Role.DELETE_TIME: Kind.TIMESTAMP,
    Role.PURGE_TIME: Kind.TIMESTAMP,
}

_ROLES: Final[Mapping[str, Role]] = {role.value: role for role in _ROLE_KINDS} | {"expire_time": Role.PURGE_TIME}

_FILLED_ROLES: Final = frozenset({Role.CREATE_TIME, Role.UPDATE_TIME, Role.UID, Role.DELETE_TIME, Role.PURGE_TIME})
"""Roles that a field has only when it is OUTPUT_ONLY: the server fills it, the caller does not."""


class _Named(Enum):
    """Whether a message is the resource that is stored, or sent in a request: the outermost one, whose `name` is its name."""

    HERE = "here"
    LATER = "later"  # It may be inside.
    ABOVE = "above"


@dataclass(frozen=True, slots=True)
class _Within:
    """What a field stands in."""

    ancestors: frozenset[str]
    """Full names of the messages, from the outermost on."""
    prefix: str = ""
    sensitive: bool = False
    read: str = ""
    write: str = ""
    top: bool = False
    """At the top of a resource that is stored."""
    named: _Named = _Named.LATER

    def below(self, prefix: str, message: Descriptor | None, said: FieldOption) -> _Within:
        """What a field of it holds."""
        ancestors = self.ancestors if message is None else self.ancestors | {message.full_name}
        named = _Named.LATER if self.named is _Named.LATER else _Named.ABOVE
        return _Within(ancestors, prefix, self.sensitive or said.sensitive, said.read or self.read, said.write or self.write, named=named)


class FieldReader:
    """Reads the fields of messages of one pool."""

    def __init__(self, annotations: Annotations, places: Places) -> None:
        self._annotations = annotations
        self._places = places

    def of_message(self, message: Descriptor) -> tuple[Field, ...]:
        """Fields of a request, a response or a part of one: none has a role."""
        return self._fields(message, _Within(frozenset({message.full_name})))

    def of_resource(self, message: Descriptor) -> tuple[Field, ...]:
        """Fields of a resource; those at its top may have roles."""
        return _one_purge(self._fields(message, _Within(frozenset({message.full_name}), top=True)))

    def _fields(self, message: Descriptor, within: _Within) -> tuple[Field, ...]:
        if within.named is _Named.LATER and self._annotations.resource(message) is not None:
            within = replace(within, named=_Named.HERE)
        return tuple(self._field(field, within) for field in message.fields)

    def _field(self, field: FieldDescriptor, within: _Within) -> Field:
        said = self._annotations.field(field)
        label, value, key = _label(field)
        wrapped = _is_wrapper(value)
        # What fills an expansion is known by its resource: nothing of it is stored, checked or merged here.
        kind = kind_of(value) if said.expand else kind_of(value, within.ancestors)
        path = within.prefix + field.name
        below = within.below(f"{path}.", value.message_type, said)
        children: tuple[Field, ...] = ()
        if kind is Kind.MESSAGE and value.message_type is not None and not said.expand:
            children = self._fields(value.message_type, below)
        role = _role(field, kind, label, said.behaviors) if within.top else Role.NONE
        oneof = None if self._places.is_synthetic_oneof(field) else field.containing_oneof
        return Field(
            name=field.name,
            path=path,
            number=field.number,
            kind=kind,
            label=label,
            presence=Presence.EXPLICIT if field.has_presence else Presence.IMPLICIT,
            place=self._places.field(field),
            wrapper=wrapped,
            oneof="" if oneof is None else oneof.name,
            # Names were OUTPUT_ONLY or IMMUTABLE before there was IDENTIFIER, and are sent with every update all the same.
            behaviors=frozenset({Behavior.IDENTIFIER}) if within.named is _Named.HERE and field.name == Role.NAME else said.behaviors,
            role=role,
            reference=said.reference,
            reference_child=said.reference_child,
            max_length=said.max_length,
            format=said.format,
            sensitive=below.sensitive,
            searchable=said.searchable,
            column=said.column,
            expand=said.expand,
            read=below.read,
            write=below.write,
            enum=value.enum_type if kind is Kind.ENUM else None,
            message=value.message_type,
            key=None if key is None else self._field(key, below),
            fields=children,
        )


def kind_of(field: FieldDescriptor, ancestors: frozenset[str] = frozenset()) -> Kind:
    """Kind of one value of a field that stands inside the messages `ancestors` (full names)."""
    message = field.message_type
    if message is None:
        return _KINDS[field.type]
    if message.full_name in WRAPPERS:
        return _KINDS[message.fields_by_name["value"].type]
    if message.full_name in ancestors:
        return Kind.OPAQUE
    return _MESSAGE_KINDS.get(message.full_name, Kind.MESSAGE)


def _label(field: FieldDescriptor) -> tuple[Label, FieldDescriptor, FieldDescriptor | None]:
    """Label of a field, the field that describes one of its values, and the one that describes its keys."""
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return Label.MAP, message.fields_by_name["value"], message.fields_by_name["key"]
    return (Label.REPEATED if field.is_repeated else Label.SINGULAR), field, None


def _is_wrapper(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name in WRAPPERS


def _role(field: FieldDescriptor, kind: Kind, label: Label, behaviors: frozenset[Behavior]) -> Role:
    role = _ROLES.get(field.name, Role.NONE)
    plain = kind is _ROLE_KINDS.get(role) and label is Label.SINGULAR and not field.containing_oneof and not _is_wrapper(field)
    if not plain or (role in _FILLED_ROLES and Behavior.OUTPUT_ONLY not in behaviors):
        return Role.NONE
    return role


def _one_purge(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """A time of purging means that only beside a `delete_time`; `purge_time` goes before its older name, `expire_time`."""
    purges = sorted((field.name for field in fields if field.role is Role.PURGE_TIME), reverse=True)
    kept = purges[:1] if any(field.role is Role.DELETE_TIME for field in fields) else []
    return tuple(replace(field, role=Role.NONE) if field.role is Role.PURGE_TIME and field.name not in kept else field for field in fields)

"""What a contract says, read once from its descriptors and frozen.

Shapes only: `contract.load` makes them, `contract.lint` judges them, every room below reads them.
Message classes are those of the contract's one private pool, shared by compiled handlers and custom code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, TypeAlias

from google.protobuf.descriptor import Descriptor, EnumDescriptor
from google.protobuf.message import Message

MessageClass: TypeAlias = type[Message]


class Kind(StrEnum):
    """The type of one value. Wrappers (`google.protobuf.Int64Value`, …) have the kind of what they wrap and `Presence.EXPLICIT`."""

    BOOL = "bool"
    INT32 = "int32"  # sint32 and sfixed32 too: the same values.
    INT64 = "int64"
    UINT32 = "uint32"  # fixed32 too.
    UINT64 = "uint64"
    FLOAT = "float"
    DOUBLE = "double"
    STRING = "string"
    BYTES = "bytes"
    ENUM = "enum"
    TIMESTAMP = "timestamp"
    DURATION = "duration"
    MESSAGE = "message"  # A message whose fields are addressed one by one.
    JSON = "json"  # google.protobuf.Struct, Value and ListValue.
    OPAQUE = "opaque"  # google.protobuf.Any, FieldMask, Empty and messages that contain themselves: stored, not addressed.


class Label(StrEnum):
    """How many values a field holds."""

    SINGULAR = "singular"
    REPEATED = "repeated"
    MAP = "map"


class Presence(StrEnum):
    """Whether unset differs from the default value."""

    IMPLICIT = "implicit"  # Unset is the default value: the column is NOT NULL.
    EXPLICIT = "explicit"  # `optional`, messages, wrappers, members of a oneof: unset is NULL.


class Behavior(StrEnum):
    """`google.api.field_behavior` values that change what Protoplane does."""

    REQUIRED = "REQUIRED"
    OUTPUT_ONLY = "OUTPUT_ONLY"
    INPUT_ONLY = "INPUT_ONLY"
    IMMUTABLE = "IMMUTABLE"
    IDENTIFIER = "IDENTIFIER"


class Role(StrEnum):
    """A field that Protoplane itself fills, recognised by its AIP-148 / AIP-154 name and type."""

    NONE = "none"
    NAME = "name"
    ETAG = "etag"
    CREATE_TIME = "create_time"
    UPDATE_TIME = "update_time"
    UID = "uid"
    DELETE_TIME = "delete_time"
    PURGE_TIME = "purge_time"  # Or `expire_time`, its older name, beside a delete_time.


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a contract; line and column count from 1, 0 when unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message. `fields` holds the fields of a Kind.MESSAGE, in order of declaration, else it is empty."""

    name: str
    path: str
    """Path from the resource or request: `address.city`."""
    number: int
    kind: Kind
    label: Label
    presence: Presence
    place: Place
    wrapper: bool = False
    oneof: str = ""
    """Name of the oneof it belongs to; empty for none (synthetic oneofs of `optional` do not count)."""
    behaviors: frozenset[Behavior] = frozenset()
    role: Role = Role.NONE
    reference: str = ""
    """Type of the resource whose name it holds (`google.api.resource_reference.type`), `*` for any, empty for none."""
    reference_child: str = ""
    """`google.api.resource_reference.child_type`."""
    max_length: int = 0
    """Characters (string) or bytes (bytes) that its buf.validate rules allow; 0: not bounded."""
    format: str = ""
    """`google.api.field_info.format`, such as `UUID4`."""
    sensitive: bool = False
    searchable: bool = False
    """Whether bare words of a filter are looked for in it."""
    column: str = ""
    """Column name asked for; empty: by default."""
    expand: str = ""
    """Name of the reference beside it that says what fills this field in answers; empty: it is stored as any other."""
    read: str = ""
    """Relation on the resource that callers must have to see it, or what it stands in; empty for all who may read the resource."""
    write: str = ""
    """The same of who changes it."""
    enum: EnumDescriptor | None = None
    message: Descriptor | None = None
    """Descriptor of the value type for kinds MESSAGE, JSON and OPAQUE, and for wrappers and times."""
    key: Field | None = None
    """Of a map: its key."""
    fields: tuple[Field, ...] = ()

    def has(self, behavior: Behavior) -> bool:
        """Whether the contract gives it this behaviour."""
        return behavior in self.behaviors

    @property
    def queryable(self) -> bool:
        """Whether filters and orders may name it: they must not be a way to guess what a caller may not read.

        The etag has no column, and an expansion is another resource, which filters reach by its reference.
        """
        return not (self.sensitive or self.read or self.has(Behavior.INPUT_ONLY) or self.role is Role.ETAG or self.expand)

    @property
    def mutable(self) -> bool:
        """Whether an update may change it."""
        return not self.behaviors & {Behavior.OUTPUT_ONLY, Behavior.IDENTIFIER}


@dataclass(frozen=True, slots=True)
class Pattern:
    """One resource name pattern: `publishers/{publisher}/books/{book}`."""

    text: str
    collections: tuple[str, ...]
    """`("publishers", "books")`"""
    variables: tuple[str, ...]
    """`("publisher", "book")`; one per collection, but of a singleton none for the last: `users/{user}/settings`."""

    integers: frozenset[int] = frozenset()
    """Places of the variables that are numbers; known when all resources are read."""

    @property
    def singleton(self) -> bool:
        """Whether there is exactly one below each parent (AIP-156)."""
        return len(self.variables) < len(self.collections)

    @property
    def flat(self) -> bool:
        """Whether a name is one collection and one text: `publishers/{publisher}`."""
        return len(self.collections) == len(self.variables) == 1 and not self.integers

    @property
    def template(self) -> str:
        """Makes a name of its ids by `%`: `publishers/%s/books/%s`."""
        pairs = [f"{collection}/%s" for collection in self.collections[: len(self.variables)]]
        return "/".join((*pairs, *self.collections[len(self.variables) :]))


class IdSource(Enum):
    """Where the last id of a name comes from (`protoplane.v1.Id.Source`)."""

    EITHER = "either"
    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class IdRule:
    """The last id of a resource's name. `pattern` is a whole-match regular expression."""

    source: IdSource
    pattern: str
    unique: bool = False
    """Whether no two resources of the type have the same one, whatever their parents."""
    integer: bool = False
    """Whether it is a number."""


@dataclass(frozen=True, slots=True)
class IndexRule:
    """A secondary index asked for by the contract: field paths in order."""

    paths: tuple[str, ...]
    unique: bool
    place: Place


@dataclass(frozen=True, slots=True)
class View:
    """What a view of a resource holds (AIP-157): paths as in a read mask. `name` is without the prefix of its enum: `BASIC`."""

    name: str
    paths: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class RelationRule:
    """One relation of a resource (`protoplane.v1.Relation`), as written; `access.declared` reads what it means."""

    name: str
    expression: str
    """Who has it, in the relation language: `[user, group#member] or editor`."""
    field: str
    """Path of the field that says who has it; empty where tuples do."""
    grant: str
    """Relation that callers must have to give it and take it away; empty: none gives the right to."""
    creator: bool
    """Whether who creates a resource gets it."""
    place: Place


@dataclass(frozen=True, slots=True)
class AccessType:
    """A resource as a type of the relation language (`protoplane.v1.Access`)."""

    name: str
    relations: tuple[RelationRule, ...] = ()
    conditions: tuple[tuple[str, Place], ...] = ()
    """As written, each with its place."""
    place: Place = Place("")


@dataclass(frozen=True, slots=True)
class Resource:
    """A message with `google.api.resource`, under one of its patterns: what is stored in one table."""

    type: str
    """`library.example.com/Book`"""
    key: str
    """What tells it apart from all others of its contract: the type, and behind it, of one of several patterns, the pattern."""
    singular: str
    """lowerCamel singular as the contract gives or implies it: `book`."""
    plural: str
    """lowerCamel plural: `books`."""
    pattern: Pattern
    message: Descriptor
    message_class: MessageClass
    fields: tuple[Field, ...]
    id: IdRule
    indexes: tuple[IndexRule, ...]
    table: str
    parent: str
    """Key of the resource that is its parent in the pattern and is stored here too; empty for none."""
    purge_after_micros: int
    """Of one that is deleted softly: how long it is kept."""
    place: Place
    views: tuple[View, ...] = ()
    unlogged: bool = False
    """Whether the change log leaves its rows out."""
    patterns: tuple[str, ...] = ()
    """All patterns of its type, in order. Each of several has a resource and a table of its own: they share the message."""
    access: AccessType = AccessType("")
    """What the contract says of relations to it."""

    @property
    def several(self) -> bool:
        """Whether its type has other patterns too."""
        return len(self.patterns) > 1

    def field(self, path: str) -> Field | None:
        """The field at a dotted path; None when there is none."""
        fields, found = self.fields, None
        for name in path.split("."):
            found = next((f for f in fields if f.name == name), None)
            if found is None:
                return None
            fields = found.fields
        return found

    @property
    def name_field(self) -> Field:
        """The field that holds the resource name."""
        return next(f for f in self.fields if f.role is Role.NAME)

    def with_role(self, role: Role) -> Field | None:
        """The field that Protoplane fills with this; None when there is none."""
        return next((f for f in self.fields if f.role is role), None)

    @property
    def soft(self) -> bool:
        """Whether a deleted one is kept for a while and can be had back (AIP-164)."""
        return self.with_role(Role.DELETE_TIME) is not None


class MethodKind(StrEnum):
    """What a method is, from its AIP name and shape."""

    GET = "get"
    LIST = "list"
    CREATE = "create"
    BATCH_GET = "batch_get"
    BATCH_CREATE = "batch_create"
    BATCH_UPDATE = "batch_update"
    BATCH_DELETE = "batch_delete"
    UPDATE = "update"
    DELETE = "delete"
    UNDELETE = "undelete"
    AGGREGATE = "aggregate"
    COMMIT = "commit"
    """`protoplane.commit.v1`: writes of other methods of its service, in one transaction."""
    CUSTOM = "custom"


class Idempotency(Enum):
    """`google.protobuf.MethodOptions.idempotency_level`, by number."""

    UNKNOWN = 0
    NO_SIDE_EFFECTS = 1
    """It only reads."""
    IDEMPOTENT = 2
    """It may write; doing it twice is doing it once."""


READING: Final = frozenset({MethodKind.GET, MethodKind.BATCH_GET, MethodKind.LIST, MethodKind.AGGREGATE})
"""Kinds of methods that never write."""


@dataclass(frozen=True, slots=True)
class HttpBinding:
    """How gateways reach a method (`google.api.http`): the verb in lower case, and the path."""

    verb: str
    path: str


class Access(StrEnum):
    """The form of a method's rule."""

    PUBLIC = "public"
    AUTHENTICATED = "authenticated"
    PERMISSION = "permission"
    CHECK = "check"
    SCOPE = "scope"


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call a method. `permission` is set for Access.PERMISSION only, `relation` for CHECK and SCOPE only."""

    access: Access
    permission: str = ""
    relation: str = ""


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC."""

    path: str
    """`/library.v1.Library/GetBook`"""
    name: str
    service: str
    """Full name of the service."""
    kind: MethodKind
    resource: Resource | None
    """The resource of a standard method, also of a custom one whose request names one; None otherwise. See `variants.faces`."""
    rule: Rule
    request: Descriptor
    response: Descriptor
    request_class: MessageClass
    response_class: MessageClass
    request_fields: tuple[Field, ...]
    response_fields: tuple[Field, ...]
    client_streaming: bool
    server_streaming: bool
    idempotency: Idempotency
    place: Place
    http: tuple[HttpBinding, ...] = ()

    @property
    def reads(self) -> bool:
        """Whether it only reads; code of a team's own may not write in it.

        A custom method that is bound to HTTP GET says that it does (AIP-136), unless it says otherwise.
        """
        if self.kind is not MethodKind.CUSTOM or self.idempotency is Idempotency.IDEMPOTENT:
            return self.kind in READING
        return self.idempotency is Idempotency.NO_SIDE_EFFECTS or any(binding.verb == "get" for binding in self.http)

    def request_field(self, name: str) -> Field | None:
        """A top-level field of the request."""
        return next((f for f in self.request_fields if f.name == name), None)


@dataclass(frozen=True, slots=True)
class Contract:
    """Everything a set of proto files says that Protoplane serves."""

    resources: Mapping[str, Resource]
    """By key, in order of declaration."""
    methods: Mapping[str, Method]
    """By path, in order of declaration."""
    files: Mapping[str, bytes]
    """Serialised FileDescriptorProto of every file, dependencies first, with source info: what reflection serves."""
    served: tuple[str, ...]
    """Names of the files that are the contract's own (not imports)."""
    messages: Mapping[str, MessageClass]
    """Class of every message in the pool, by full name."""

    @property
    def own_methods(self) -> tuple[Method, ...]:
        """Those that its own files declare: all but the platform's."""
        return tuple(method for method in self.methods.values() if method.place.file in self.served)

    @property
    def streams(self) -> bool:
        """Whether answers of some method stream."""
        return any(method.server_streaming for method in self.methods.values())

    def variants(self, resource: Resource) -> tuple[Resource, ...]:
        """The resources of one type, one for each of its patterns, in order."""
        return tuple(other for other in self.resources.values() if other.type == resource.type)


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault in a contract: the place, what is wrong, how to mend it."""

    place: Place
    rule: str
    """Stable kebab-case id, such as `rule-missing`."""
    problem: str
    mend: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem} [{self.rule}]\n    mend: {self.mend}"

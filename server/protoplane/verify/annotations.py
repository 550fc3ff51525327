"""What fields and messages say of themselves: `google.api`, and `buf.validate` where it is there. Nothing has to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from protoplane.contract.names import INTEGER_ID_PATTERN
from protoplane.contract.options import ResourceOption

_BEHAVIOURS: Final = {2: "REQUIRED", 3: "OUTPUT_ONLY", 4: "INPUT_ONLY", 5: "IMMUTABLE", 8: "IDENTIFIER"}
_FORMATS: Final = {1: "uuid", 2: "ipv4", 3: "ipv6", 4: "ip"}
_BY_SERVER: Final = 3
"""`protoplane.v1.Id.Source.SOURCE_SERVER`."""


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """Annotations of one field."""

    behaviours: frozenset[str] = frozenset()
    reference: str = ""
    """Resource type whose name it holds; "*" for any."""
    child: str = ""
    """Resource type whose parent's name it holds."""
    format: str = ""
    rules: Any = None
    """`buf.validate.FieldRules` of the target's own pool."""

    @property
    def required(self) -> bool:
        """Whether it must be given, by either annotation."""
        return "REQUIRED" in self.behaviours or bool(self.rules is not None and getattr(self.rules, "required", False))


@dataclass(frozen=True, slots=True)
class IdFacts:
    """What is said of the ids that callers give, where a server says it: only Protoplane's own option does."""

    pattern: str = ""
    by_server: bool = False


class Annotations:
    """Reads the options of one pool; each of their files may be missing in it."""

    def __init__(self, pool: DescriptorPool) -> None:
        self.pool = pool
        self._known: dict[str, FieldFacts] = {}
        self._message_options, self._field_options = self._options("MessageOptions"), self._options("FieldOptions")
        self._resource = self._extension("google.api.resource")
        self._behaviour = self._extension("google.api.field_behavior")
        self._reference = self._extension("google.api.resource_reference")
        self._info = self._extension("google.api.field_info")
        self._rules = self._extension("buf.validate.field")
        self._stored = self._extension("protoplane.v1.field")
        self._storage = self._extension("protoplane.v1.storage")

    def _options(self, name: str) -> Any:
        try:
            return GetMessageClass(self.pool.FindMessageTypeByName(f"google.protobuf.{name}"))
        except KeyError:
            return None

    def _extension(self, name: str) -> Any:
        find: Any = self.pool.FindExtensionByName
        try:
            return find(name)
        except KeyError:
            return None

    def field(self, field: FieldDescriptor) -> FieldFacts:
        """Everything that is said of a field."""
        name = field.full_name
        if name not in self._known:
            self._known[name] = self._read(field)
        return self._known[name]

    def _read(self, field: FieldDescriptor) -> FieldFacts:
        if self._field_options is None or not field.has_options:
            return FieldFacts()
        options = self._field_options.FromString(field.GetOptions().SerializeToString())
        behaviours = options.Extensions[self._behaviour] if self._behaviour is not None else ()
        reference = options.Extensions[self._reference] if self._reference is not None else None
        info = options.Extensions[self._info] if self._info is not None else None
        ruled = self._rules is not None and options.HasExtension(self._rules)
        return FieldFacts(
            behaviours=frozenset(_BEHAVIOURS[one] for one in behaviours if one in _BEHAVIOURS),
            reference=getattr(reference, "type", ""),
            child=getattr(reference, "child_type", ""),
            format=_FORMATS.get(getattr(info, "format", 0), ""),
            rules=options.Extensions[self._rules] if ruled else None,
        )

    def resource(self, message: Descriptor) -> ResourceOption | None:
        """What a message says of itself as a resource; None when it says nothing."""
        found = self._of_message(message, self._resource)
        if found is None:
            return None
        return ResourceOption(found.type, tuple(found.pattern), found.singular, found.plural, found.name_field or "name")

    def ids(self, message: Descriptor) -> IdFacts:
        """What is said of the ids of a resource."""
        found = self._of_message(message, self._storage)
        if found is None or not found.HasField("id"):
            return IdFacts()
        integer = getattr(found.id, "integer", False)  # An older server's options have none.
        return IdFacts(found.id.pattern or (INTEGER_ID_PATTERN if integer else ""), found.id.source == _BY_SERVER)

    def expanded(self, field: FieldDescriptor) -> str:
        """Name of the reference beside it that fills a field; "" for any other. Only Protoplane's own option says so."""
        if self._stored is None or self._field_options is None or not field.has_options:
            return ""
        options = self._field_options.FromString(field.GetOptions().SerializeToString())
        return str(getattr(options.Extensions[self._stored], "expand", ""))

    def _of_message(self, message: Descriptor, extension: Any) -> Any:
        if extension is None or self._message_options is None or not message.has_options:
            return None
        options = self._message_options.FromString(message.GetOptions().SerializeToString())
        return options.Extensions[extension] if options.HasExtension(extension) else None

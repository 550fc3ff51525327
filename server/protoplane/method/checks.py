"""When what the contract says about values is asked: of a request before its handler runs, of a resource before it is stored.

The resource inside a standard request is checked as it will be stored (on an update: merged), so `prepare` leaves it out,
unless a team's own code stands in between and should not see what breaks the rules.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from protoplane.base.errors import Violation, invalid_fields
from protoplane.contract.model import Behavior, Field, Kind, MessageClass, Method, MethodKind, Resource, Role
from protoplane.contract.validate import Check, Checks, as_check, compile_clear, compile_required, tested
from protoplane.contract.values import INTEGER_RANGES, Test
from protoplane.contract.walk import Inline, Step, compile_walk
from protoplane.query.mask import Mask

PARSED = frozenset({"name", "names", "parent"})
"""Fields of standard requests that the handler parses itself, with a clearer refusal (INVALID_NAME)."""

MADE = frozenset({Role.CREATE_TIME, Role.UPDATE_TIME, Role.UID})
"""What the service has just written into a new resource."""


class ResourceChecks:
    """Of one resource."""

    def __init__(self, resource: Resource, checks: Checks, *, uint64_max: int) -> None:
        own = {resource.name_field.name}  # Made from the ids, whatever the message says.
        self._rules = checks.rules(resource.message_class, shallow=own)
        self._values = checks.values(resource.message, resource.fields, skipped=own)
        made = {field.name for field in resource.fields if field.role in MADE}
        self._new_values = checks.values(resource.message, resource.fields, skipped=own | made)
        self._required = compile_required(resource.message, resource.fields)
        self._storable = compile_storable(resource, uint64_max)
        self.clear_input_only = compile_clear(resource.message, resource.fields, Behavior.INPUT_ONLY)
        """Take out of a message what is never shown."""

    def on_create(self, message: Message, path: str) -> list[Violation]:
        """What is wrong with a resource to be stored, which stands at `path` in the request."""
        prefix = f"{path}." if path else ""
        return [*self._required(message, prefix), *self._stored(message, prefix, self._new_values)]

    def on_update(self, merged: Message, mask: Mask, path: str) -> list[Violation]:
        """What is wrong with a resource after the fields of `mask` were written into it."""
        prefix = f"{path}." if path else ""
        missing = [one for one in self._required(merged, prefix) if mask.names(_plain(one.field.removeprefix(prefix)))]
        return [*missing, *self._stored(merged, prefix, self._values)]

    def _stored(self, message: Message, prefix: str, values: Check) -> list[Violation]:
        return [*values(message, prefix), *self._rules(message, prefix), *self._storable(message, prefix)]


def _plain(path: str) -> str:
    """`chapters[0].heading` as `chapters`: a mask names lists and maps, nothing inside them."""
    return path.partition("[")[0]


def compile_storable(resource: Resource, uint64_max: int) -> Check:
    """What every engine holds and compares alike: unsigned integers within its range, texts without U+0000."""

    def number(value: int) -> tuple[str, str] | None:
        return (f"is above {uint64_max}, the most this storage holds", "UINT64_TOO_LARGE") if value > uint64_max else None

    def leaf(field: Field, _owner: Descriptor) -> Step | Inline | None:
        if field.kind is Kind.UINT64 and uint64_max < INTEGER_RANGES[Kind.UINT64][1]:
            return tested(field, Test(number))
        keyed = field.key is not None and field.key.kind is Kind.STRING
        if field.kind is Kind.STRING:
            step = tested(field, _TEXT)
            return _both(step, _keys(field)) if keyed and not isinstance(step, Inline) else step
        return _keys(field) if keyed else None

    return as_check(compile_walk(resource.message, resource.fields, leaf))


def _text(value: str) -> tuple[str, str] | None:
    return ("must not hold U+0000", "NUL_CHARACTER") if "\0" in value else None


_TEXT: Final = Test(_text, "'\\0' not in {}")


def _keys(field: Field) -> Step:
    name, read = field.name, attrgetter(field.name)

    def step(message: Message, prefix: str, found: list[Violation]) -> None:
        found += [Violation(prefix + name, "must not have a key with U+0000", "NUL_CHARACTER") for key in read(message) if "\0" in key]

    return step


def _both(first: Step, second: Step) -> Step:
    def step(message: Message, prefix: str, found: list[Violation]) -> None:
        first(message, prefix, found)
        second(message, prefix, found)

    return step


class RequestChecks:
    """Of the requests of one method."""

    def __init__(self, method: Method, checks: Checks, *, own_code: bool) -> None:
        standard = method.kind is not MethodKind.CUSTOM
        shallow = stored_fields(method) if standard and (not own_code or method.kind is not MethodKind.CREATE) else frozenset[str]()
        self._clear = compile_clear(method.request, method.request_fields, Behavior.OUTPUT_ONLY)
        self._checks = _Checks(
            checks, method.request_class, method.request_fields, skipped=PARSED if standard else frozenset(), shallow=shallow
        )
        self._items = _item_checks(method, checks) if _has_items(method) else None

    def prepare(self, request: Any) -> None:
        """Clear what callers may not set, then check; Fault INVALID_FIELDS with every violation found."""
        self._clear(request)
        violations = self._checks.on(request, "")
        if self._items is not None:
            violations += [one for i, item in enumerate(request.requests) for one in self._items.on(item, f"requests[{i}].")]
        if violations:
            raise invalid_fields(violations)


class _Checks:
    """Everything that is asked of one message type; what is inside the fields `shallow` is checked when it is stored."""

    def __init__(
        self, checks: Checks, message: MessageClass, fields: tuple[Field, ...], *, skipped: frozenset[str], shallow: frozenset[str]
    ) -> None:
        descriptor = cast("Descriptor", message.DESCRIPTOR)
        self._rules = checks.rules(message, shallow=shallow)
        self._values = checks.values(descriptor, fields, skipped=skipped, shallow=shallow)
        self._required = compile_required(descriptor, fields, skipped=skipped, shallow=shallow)

    def on(self, message: Message, prefix: str) -> list[Violation]:
        return [*self._required(message, prefix), *self._values(message, prefix), *self._rules(message, prefix)]


def _item_checks(method: Method, checks: Checks) -> _Checks:
    """Of the requests inside a batch."""
    field = next(field for field in method.request_fields if field.name == "requests")
    request: Any = method.request_class()
    return _Checks(checks, type(request.requests.add()), field.fields, skipped=PARSED, shallow=_bodies(field.fields, method))


def stored_fields(method: Method) -> frozenset[str]:
    """The fields of a standard request whose contents are checked apart: item by item, or when they are stored."""
    return frozenset({"requests"}) if _has_items(method) else _bodies(method.request_fields, method)


def _has_items(method: Method) -> bool:
    batch = method.kind in {MethodKind.BATCH_CREATE, MethodKind.BATCH_UPDATE, MethodKind.BATCH_DELETE}
    return batch and method.request_field("requests") is not None


def _bodies(fields: tuple[Field, ...], method: Method) -> frozenset[str]:
    return frozenset(field.name for field in fields if method.resource is not None and field.message is method.resource.message)

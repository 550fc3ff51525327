"""When what the contract says about values is asked: of a request before its handler runs, of a resource before it is stored.

The resource inside a standard request is checked as it will be stored (on an update: merged), so `prepare` leaves it out,
unless a team's own code stands in between and should not see what breaks the rules.
"""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from protoplane.base.errors import Violation, invalid_fields
from protoplane.contract.model import Behavior, Field, Kind, Method, MethodKind, Resource
from protoplane.contract.validate import Check, Checks, as_check, compile_clear, compile_required, tested
from protoplane.contract.walk import Step, compile_walk
from protoplane.query.mask import Mask

UINT64_MAX = 2**64 - 1

PARSED = frozenset({"name", "parent"})
"""Fields of standard requests that the handler parses itself, with a clearer refusal (INVALID_NAME)."""


class ResourceChecks:
    """Of one resource."""

    def __init__(self, resource: Resource, checks: Checks, *, uint64_max: int) -> None:
        own = {resource.name_field.name}  # Made from the ids, whatever the message says.
        self._rules = checks.rules(resource.message_class, shallow=own)
        self._values = checks.values(resource.message, resource.fields, skipped=own)
        self._required = compile_required(resource.message, resource.fields)
        self._sizes = compile_sizes(resource, uint64_max)
        self.clear_input_only = compile_clear(resource.message, resource.fields, Behavior.INPUT_ONLY)
        """Take out of a message what is never shown."""

    def on_create(self, message: Message, path: str) -> list[Violation]:
        """What is wrong with a resource to be stored, which stands at `path` in the request."""
        prefix = f"{path}." if path else ""
        return [*self._required(message, prefix), *self._stored(message, prefix)]

    def on_update(self, merged: Message, mask: Mask, path: str) -> list[Violation]:
        """What is wrong with a resource after the fields of `mask` were written into it."""
        prefix = f"{path}." if path else ""
        missing = [one for one in self._required(merged, prefix) if mask.names(_plain(one.field.removeprefix(prefix)))]
        return [*missing, *self._stored(merged, prefix)]

    def _stored(self, message: Message, prefix: str) -> list[Violation]:
        return [*self._values(message, prefix), *self._rules(message, prefix), *self._sizes(message, prefix)]


def _plain(path: str) -> str:
    """`chapters[0].heading` as `chapters`: a mask names lists and maps, nothing inside them."""
    return path.partition("[")[0]


def compile_sizes(resource: Resource, uint64_max: int) -> Check:
    """Unsigned integers within what the engine holds: not every engine has 64 bits for them."""

    def test(value: int) -> tuple[str, str] | None:
        return (f"is above {uint64_max}, the most this storage holds", "UINT64_TOO_LARGE") if value > uint64_max else None

    def leaf(field: Field, _owner: Descriptor) -> Step | None:
        return tested(field, test) if field.kind is Kind.UINT64 else None

    walk = None if uint64_max >= UINT64_MAX else compile_walk(resource.message, resource.fields, leaf)
    return as_check(walk)


class RequestChecks:
    """Of the requests of one method."""

    def __init__(self, method: Method, checks: Checks, *, own_code: bool) -> None:
        standard = method.kind is not MethodKind.CUSTOM
        skipped = PARSED if standard else frozenset[str]()
        stored = _stored_fields(method)
        shallow = stored if standard and (not own_code or method.kind is not MethodKind.CREATE) else frozenset[str]()
        self._clear = compile_clear(method.request, method.request_fields, Behavior.OUTPUT_ONLY)
        self._rules = checks.rules(method.request_class, shallow=shallow)
        self._values = checks.values(method.request, method.request_fields, skipped=skipped, shallow=shallow)
        self._required = compile_required(method.request, method.request_fields, skipped=skipped, shallow=shallow)

    def prepare(self, request: Message) -> None:
        """Clear what callers may not set, then check; Fault INVALID_FIELDS with every violation found."""
        self._clear(request)
        violations = [*self._required(request, ""), *self._values(request, ""), *self._rules(request, "")]
        if violations:
            raise invalid_fields(violations)


def _stored_fields(method: Method) -> frozenset[str]:
    """The fields of a standard request whose contents are checked when they are stored."""
    if method.resource is None:
        return frozenset()
    if method.kind is MethodKind.BATCH_CREATE:
        return frozenset({"requests"})
    return frozenset(field.name for field in method.request_fields if field.message is method.resource.message)

"""When what the contract says about values is asked: of a request before its handler runs, of a resource before it is stored.

The resource inside a standard request is checked as it will be stored (on an update: merged), so `prepare` leaves it out,
unless a team's own code stands in between and should not see what breaks the rules.
"""

from __future__ import annotations

from google.protobuf.message import Message

from protoplane.base.errors import Violation, invalid_fields
from protoplane.contract.model import Behavior, Method, MethodKind, Resource
from protoplane.contract.validate import Checks, compile_clear, compile_required
from protoplane.query.mask import Mask

PARSED = frozenset({"name", "parent"})
"""Fields of standard requests that the handler parses itself, with a clearer refusal (INVALID_NAME)."""


class ResourceChecks:
    """Of one resource."""

    def __init__(self, resource: Resource, checks: Checks) -> None:
        own = {resource.name_field.name}  # Made from the ids, whatever the message says.
        self._rules = checks.rules(resource.message_class, shallow=own)
        self._values = checks.values(resource.message, resource.fields, skipped=own)
        self._required = compile_required(resource.message, resource.fields)
        self.clear_input_only = compile_clear(resource.message, resource.fields, Behavior.INPUT_ONLY)
        """Take out of a message what is never shown."""

    def on_create(self, message: Message, path: str) -> list[Violation]:
        """What is wrong with a resource to be stored, which stands at `path` in the request."""
        prefix = f"{path}." if path else ""
        return [*self._required(message, prefix), *self._values(message, prefix), *self._rules(message, prefix)]

    def on_update(self, merged: Message, mask: Mask, path: str) -> list[Violation]:
        """What is wrong with a resource after the fields of `mask` were written into it."""
        prefix = f"{path}." if path else ""
        return [*mask.missing_required(merged, prefix=prefix), *self._values(merged, prefix), *self._rules(merged, prefix)]


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

"""Errors: 1 to 4 (AIP-193). They are judged by every error that the other checks met, and some that are provoked here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from protoplane.verify.check import Scene, check
from protoplane.verify.exchange import Exchange
from protoplane.verify.resources import Role
from protoplane.verify.verdict import NotApplicable, expect, skip

OF_TRANSPORT: Final = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "UNIMPLEMENTED"})
"""Codes that gRPC itself gives, on this side too: the service cannot put anything into them."""

REASON: Final = re.compile(r"[A-Z][A-Z0-9_]+[A-Z0-9]")
KEY: Final = re.compile(r"[a-z][a-zA-Z0-9-_]+")
CHARACTERS_MAX: Final = 64

INSIDE: Final = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|DELETE\s+FROM|UPDATE\s.+\sSET)\s"
    r"|\b(sqlite3?|mysql|mariadb|postgres(ql)?|psycopg2?|sqlalchemy|peewee|hibernate|jdbc|ORA-\d{5}|SQLSTATE)\b"
    r"|Traceback \(most recent call last\)|Exception calling application|\bat [\w.$]+\([\w]+\.java:\d+\)|goroutine \d+"
    r"|\bFile \"[^\"]+\", line \d+|(UNIQUE|FOREIGN KEY) constraint failed|duplicate key value violates|Duplicate entry '",
    re.IGNORECASE,
)
"""What implementations say and callers must not hear."""

_IN_REQUEST: Final = ("name", "parent", "page_token", "filter", "order_by")
ECHO_CHARACTERS_MIN: Final = 5
"""Shorter texts are in many a message by chance."""


def errors_of(scene: Scene) -> list[Exchange]:
    """Some errors, provoked, and all that were met."""
    for _ in _provoked(scene):
        pass
    found = [error for error in scene.world.caller.errors if error.code not in OF_TRANSPORT]
    return found or skip("no call was refused")


def _provoked(scene: Scene) -> Iterator[object]:
    kind = scene.kind
    if kind.has(Role.GET):
        yield scene.get("")
        yield _try(lambda: scene.get(scene.absent()))
    if kind.has(Role.LIST, "page_size", "page_token"):
        parent = _try(lambda: {"parent": scene.world.parent(kind)} if kind.has(Role.LIST, "parent") else {})
        if isinstance(parent, dict):
            yield scene.page(page_size=-1, **parent)
            yield scene.page(page_token="verify-is-no-token", **parent)  # noqa: S106 - no password.
            yield _try(lambda: scene.page(filter="verify_is_no_field = 1", **parent))


def _try(run: object) -> object:
    assert callable(run)
    try:
        return run()
    except NotApplicable:
        return None


@check(1, aip=193, writes=False)
def every_error_says_why(scene: Scene) -> None:
    """Every error has one google.rpc.ErrorInfo, and each type of detail once."""
    for error in errors_of(scene):
        info = error.detail("ErrorInfo")
        expect(info is not None, "the error has no google.rpc.ErrorInfo", error)
        assert info is not None
        fits = REASON.fullmatch(info.reason) is not None and len(info.reason) < CHARACTERS_MAX
        expect(fits, f"the reason {info.reason!r} is not UPPER_SNAKE_CASE of at most 63 characters", error)
        expect(info.domain, "ErrorInfo has no domain", error)
        types = [detail.type for detail in error.details]
        expect(len(types) == len(set(types)), "a type of detail comes twice", error)


@check(2, aip=193, writes=False)
def dynamic_parts_are_in_metadata(scene: Scene) -> None:
    """What a message says of the call is in ErrorInfo.metadata, under proper keys."""
    told = [(error, info) for error in errors_of(scene) if (info := error.detail("ErrorInfo")) is not None]
    if not told:
        skip("no error has an ErrorInfo")
    for error, info in told:
        for key in info.metadata:
            expect(KEY.fullmatch(key) and len(key) <= CHARACTERS_MAX, f"the key {key!r} of the metadata is not lowerCamelCase", error)
        for name in _IN_REQUEST:
            value = getattr(error.request, name, "")
            if isinstance(value, str) and len(value) >= ECHO_CHARACTERS_MIN and value in error.message:
                inside = any(value in text for text in info.metadata.values())
                expect(inside, f"the message holds the request's `{name}`, the metadata does not", error)


@check(3, aip=193, must=False, writes=False)
def input_names_its_fields(scene: Scene) -> None:
    """Invalid input names its fields (BadRequest), a failed precondition itself (PreconditionFailure)."""
    for error in errors_of(scene):
        if error.code == "INVALID_ARGUMENT":
            expect(error.violations, "an INVALID_ARGUMENT has no BadRequest with field_violations", error)
        if error.code == "FAILED_PRECONDITION":
            expect(error.detail("PreconditionFailure"), "a FAILED_PRECONDITION has no PreconditionFailure", error)


@check(4, aip=193, writes=False)
def errors_show_no_inside(scene: Scene) -> None:
    """Errors do not show how the service is made."""
    for error in errors_of(scene):
        text = "\n".join((error.message, *error.violations.values(), *(error.detail("ErrorInfo") or _None()).metadata.values()))
        found = INSIDE.search(text)
        expect(not found, f"the error shows the inside: {found[0] if found else ''}", error)
        expect(error.detail("DebugInfo") is None, "the error has a google.rpc.DebugInfo", error)


class _None:
    """No ErrorInfo."""

    metadata: Final[dict[str, str]] = {}

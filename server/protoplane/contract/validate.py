"""Everything a contract says about values, compiled once: buf.validate rules, field behaviours, formats, references, ranges.

Each compiler returns a check over exactly the fields that need one; a message type without any costs nothing. Nothing here raises:
the caller decides which violations count (an update, for one, looks only at what its mask names) and makes one `Fault` of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from operator import attrgetter
from typing import Any, Final, TypeAlias

import protovalidate
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from protoplane.base.errors import Violation, shorten
from protoplane.base.generated import Source, attribute
from protoplane.contract.assured import compile_assured
from protoplane.contract.model import Behavior, Contract, Field, Label, MessageClass, Presence, Role
from protoplane.contract.names import compile_types
from protoplane.contract.options import Annotations
from protoplane.contract.values import Test, value_test
from protoplane.contract.walk import Inline, Step, compile_walk, map_key

Check: TypeAlias = Callable[[Message, str], list[Violation]]
"""What is wrong with a message. The text is put before each field: `""`, or `"book."` for the `book` of a request."""

_REASON_CHARACTERS_MAX: Final = 63
_NOT_IN_REASON: Final = re.compile(r"[^A-Z0-9]+")
_REASON: Final = re.compile(r"[A-Z][A-Z0-9_]+[A-Z0-9]")


class Checks:
    """The checks of one contract.

    They share one protovalidate validator, which keeps compiled rules by the full name of the message: it must never see
    messages of another pool.
    """

    def __init__(self, contract: Contract) -> None:
        self._validator = protovalidate.Validator()
        self._patterns = compile_types(contract)
        self._resources = frozenset(resource.message.full_name for resource in contract.resources.values())

    def rules(self, message_class: MessageClass, *, shallow: Collection[str] = ()) -> Check:
        """buf.validate rules of a message and everything in it, already warm. What is inside the fields `shallow` does not count."""
        if not _has_rules(message_class, shallow):
            return _nothing
        collect = self._validator.collect_violations
        collect(message_class())
        root: Any = message_class.DESCRIPTOR
        assured = compile_assured(root, Annotations(root.file.pool), shallow=shallow)

        def check(message: Message, prefix: str) -> list[Violation]:
            try:
                found = collect(message)
            except (protovalidate.EvaluationError, protovalidate.CompilationError) as error:
                # Lint ran every rule of the contract's own files on empty values; this one has no answer for the values at hand, or stands
                # in somebody else's file and is no rule at all: so they cannot pass.
                return [Violation(prefix.rstrip("."), f"a rule has no answer for these values: {error}", "RULE_WITHOUT_ANSWER")]
            return [_violation(one.proto, prefix) for one in found if not _is_inside(one.proto, shallow)] if found else []

        if assured is None:
            return check
        return lambda message, prefix: [] if assured(message) else check(message, prefix)

    def values(
        self, message: Descriptor, fields: Sequence[Field], *, skipped: Collection[str] = (), shallow: Collection[str] = ()
    ) -> Check:
        """What holds for values without any rule of buf.

        Finite numbers, times in range, JSON that is JSON, `request_id` a UUID4, `google.api.field_info` formats, and references
        that are names of what they refer to.
        """

        def leaf(field: Field, owner: Descriptor) -> Step | Inline | None:
            test = value_test(field, self._patterns, request=owner.full_name not in self._resources)
            return None if test is None else tested(field, test)

        return as_check(compile_walk(message, fields, leaf, skipped=skipped, shallow=shallow))


def compile_required(
    message: Descriptor, fields: Sequence[Field], *, skipped: Collection[str] = (), shallow: Collection[str] = ()
) -> Check:
    """REQUIRED (AIP-203): a message must be there; any other field must not be 0, false or empty, `optional` or not.

    Fields of messages inside count where the message is there. OUTPUT_ONLY is never required of a caller.
    """
    return as_check(compile_walk(message, fields, _required, skipped=skipped, shallow=shallow))


def compile_clear(message: Descriptor, fields: Sequence[Field], behavior: Behavior) -> Callable[[Message], None]:
    """Clears, in place and at every depth, the fields with a behaviour: OUTPUT_ONLY on what comes in, INPUT_ONLY on what goes out."""

    def leaf(field: Field, _owner: Descriptor) -> Inline | None:
        return Inline(lambda _source: f"m.ClearField({field.name!r})") if field.has(behavior) else None

    walk = compile_walk(message, fields, leaf)
    return (lambda _message: None) if walk is None else (lambda message: walk(message, "", []))


def _nothing(_message: Message, _prefix: str) -> list[Violation]:
    return []


def as_check(walk: Step | None) -> Check:
    """A walk as a check; none finds nothing."""
    if walk is None:
        return _nothing

    def check(message: Message, prefix: str) -> list[Violation]:
        found: list[Violation] = []
        walk(message, prefix, found)
        return found

    return check


def _required(field: Field, _owner: Descriptor) -> Inline | None:
    if not field.has(Behavior.REQUIRED) or field.has(Behavior.OUTPUT_ONLY) or field.role is Role.NAME:
        return None
    tracked = field.message is not None and field.label is Label.SINGULAR  # Messages: there or not. `optional` values: not empty.

    def write(source: Source) -> str:
        given = f"m.HasField({field.name!r})" if tracked else attribute("m", field.name)
        return f"if not {given}: found.append({source.bind(Violation)}(prefix + {field.name!r}, 'must be given', 'REQUIRED'))"

    return Inline(write)


def tested(field: Field, test: Test) -> Step | Inline:
    """Run a test of single values over whatever a field holds."""
    name, wrapped = field.name, field.wrapper
    read = attrgetter(name)

    def judge(value: Any, path: str, found: list[Violation]) -> None:
        problem = test.judge(value.value if wrapped else value)
        if problem is not None:
            found.append(Violation(path, *problem))

    def one(source: Source) -> str:
        value = f"{attribute('m', name)}{'.value' if wrapped else ''}"
        conditions = [f"m.HasField({name!r})"] if field.presence is Presence.EXPLICIT else []
        if test.passes:
            passes = test.passes.replace("known(", f"{source.bind(test.known)}(").format(f"(v := {value})")
            conditions.append(f"not ({passes})")
            value = "v"
        conditions.append(f"(p := {source.bind(test.judge)}({value})) is not None")
        return f"if {' and '.join(conditions)}: found.append({source.bind(Violation)}(prefix + {name!r}, *p))"

    def each(message: Message, prefix: str, found: list[Violation]) -> None:
        for index, item in enumerate(read(message)):
            judge(item, f"{prefix}{name}[{index}]", found)

    def each_value(message: Message, prefix: str, found: list[Violation]) -> None:
        for key, item in read(message).items():
            judge(item, f"{prefix}{name}[{map_key(key)}]", found)

    if field.label is Label.SINGULAR:
        return Inline(one)
    return each if field.label is Label.REPEATED else each_value


def _has_rules(message_class: MessageClass, shallow: Collection[str]) -> bool:
    """Whether any buf.validate rule stands in a message type or one that it contains."""
    root: Any = message_class.DESCRIPTOR
    annotations = Annotations(root.file.pool)
    seen: set[str] = set()
    waiting: list[Descriptor] = [root]
    while waiting:
        message = waiting.pop()
        if message.full_name in seen:
            continue
        seen.add(message.full_name)
        if annotations.has_rules(message):
            return True
        inside = [field for field in message.fields if message is not root or field.name not in shallow]
        waiting += [field.message_type for field in inside if field.message_type is not None]
    return False


def _is_inside(violation: Any, shallow: Collection[str]) -> bool:
    if not shallow or violation.field is None or not violation.field.elements:
        return False
    first, *rest = violation.field.elements
    return first.field_name in shallow and (bool(rest) or first.subscript is not None)


def _violation(violation: Any, prefix: str) -> Violation:
    elements = () if violation.field is None else violation.field.elements
    path = ".".join(_element_text(element) for element in elements)
    text = violation.message or f"breaks the rule {violation.rule_id}"
    # Keys of maps are the caller's own text, so a path can be of any length.
    return Violation(shorten(prefix + path if path else prefix.rstrip(".")), shorten(text), reason_of(violation.rule_id or ""))


def _element_text(element: Any) -> str:
    if element.subscript is None:
        return str(element.field_name)
    return f"{element.field_name}[{map_key(element.subscript.value)}]"


def reason_of(rule_id: str) -> str:
    """A rule id as a reason: `string.max_len` as `STRING_MAX_LEN`; an id that leaves nothing usable as `RULE_BROKEN`."""
    text = _NOT_IN_REASON.sub("_", rule_id.upper()).strip("_")[:_REASON_CHARACTERS_MAX].strip("_")
    return text if _REASON.fullmatch(text) else "RULE_BROKEN"

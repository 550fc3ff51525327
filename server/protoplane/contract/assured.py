"""Messages that surely keep their buf.validate rules, told without protovalidate.

Most messages break no rule, and protovalidate takes several times as long to find that. So the rules of a message type become one
function that is true only of messages in which protovalidate would find nothing. Where it is false nothing is said: protovalidate is
asked, and its answer alone counts. A type with a rule of its own that is not understood here has no such function, and a message that
contains one of that type is not told from those that break rules.

When which rule is asked is read in protovalidate's own code (2.1, `rules/build.rs`, `rules/eval.rs`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from protoplane.base.generated import Source, attribute
from protoplane.contract.options import Annotations
from protoplane.contract.standard import Beyond, kind_of, said, said_of, write_tests

Assured: TypeAlias = Callable[[Message], bool]
"""Whether a message surely keeps its rules."""

_IGNORE_IF_ZERO_VALUE: Final = 1
_IGNORE_ALWAYS: Final = 3


def compile_assured(message: Descriptor, annotations: Annotations, *, shallow: Collection[str] = ()) -> Assured | None:
    """Tells messages that surely keep their rules; None when a rule of the message type is not understood.

    The fields `shallow` are not entered: whatever is inside them does not count.
    """
    try:
        return _Compiler(message, annotations).compile(shallow)
    except Beyond:
        return None


class _Compiler:
    """Writes a function for a message type, and for each one with rules that it contains."""

    def __init__(self, message: Descriptor, annotations: Annotations) -> None:
        self._root = message
        self._annotations = annotations
        self._ruled = _ruled(message, annotations)
        self._source = Source("assured")
        self._functions: dict[str, str] = {}
        self._waiting: list[Descriptor] = []

    def compile(self, shallow: Collection[str]) -> Assured:
        self._write("assured", self._root, shallow)
        while self._waiting:
            self._write_inner(self._waiting.pop())
        assured: Assured = self._source.compile("assured")
        return assured

    def _write_inner(self, message: Descriptor) -> None:
        function, begin = self._functions[message.full_name], len(self._source.lines)
        try:
            self._write(function, message, ())
        except Beyond:
            del self._source.lines[begin:]
            self._source.add(0, f"def {function}(m): return False")

    def _write(self, function: str, message: Descriptor, shallow: Collection[str]) -> None:
        self._source.add(0, f"def {function}(m):")
        if said(self._annotations.message_rules(message)):
            raise Beyond
        for oneof in message.oneofs:
            rules = said(self._annotations.oneof_rules(oneof))
            if rules.pop("required", False):
                self._source.add(1, f"if m.WhichOneof({oneof.name!r}) is None: return False")
            if rules:
                raise Beyond
        for field in message.fields:
            self._write_field(field, entered=field.name not in shallow)
        self._source.add(1, "return True")

    def _write_field(self, field: FieldDescriptor, *, entered: bool) -> None:
        rules = said(self._annotations.field_rules(field))
        ignore, required = rules.pop("ignore", 0), rules.pop("required", False)
        if ignore == _IGNORE_ALWAYS:
            return
        if rules and field.has_default_value:
            raise Beyond  # Of proto2: there a zero is not what an unset field has.
        lines = self._many(field, rules, entered=entered) if field.is_repeated else self._one(field, rules, entered=entered)
        if not lines and not required:
            return
        tracked, add, read = field.has_presence, self._source.add, f"v = {attribute('m', field.name)}"
        given = f"m.HasField({field.name!r})" if tracked else self._not_zero(field)
        skipped = not required and (tracked or ignore == _IGNORE_IF_ZERO_VALUE)
        if not tracked:
            add(1, read)
        if required:
            add(1, f"if not ({given}): return False")
        elif skipped:
            add(1, f"if {given}:")
        for line in (read, *lines) if tracked else lines:
            add(1 + skipped, line)

    def _not_zero(self, field: FieldDescriptor) -> str:
        """Whether `v` counts as given where presence is not tracked: -0.0 does."""
        is_float = field.type in {FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE} and not field.is_repeated
        return f"v or {self._source.bind(math.copysign)}(1, v) < 0" if is_float else "v"

    def _one(self, field: FieldDescriptor, rules: Mapping[str, Any], *, entered: bool) -> list[str]:
        """Lines over `v`, the value of a singular field."""
        return _lines(self._tests(field, rules, "v", entered=entered))

    def _many(self, field: FieldDescriptor, rules: Mapping[str, Any], *, entered: bool) -> list[str]:
        """Lines over `v`, the list or the map of a field."""
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            own = said_of(rules, "map")
            keys = self._each(inner.fields_by_name["key"], own.pop("keys", None), "k")
            values = self._each(inner.fields_by_name["value"], own.pop("values", None), "w")
            head = "k, w in v.items()" if keys and values else "k in v" if keys else "w in v.values()"
            tests, inside = write_tests(self._source, field, "map", own, "v"), [*keys, *values]
        else:
            own = said_of(rules, "repeated")
            unique = own.pop("unique", False)
            if unique and inner is not None:
                raise Beyond
            head, inside = "w in v", self._each(field, own.pop("items", None), "w")
            tests = write_tests(self._source, field, "repeated", own, "v")
            tests += ["len(set(v)) == len(v)"] if unique else []
        lines = _lines(tests)
        if inside and entered:
            lines += [f"for {head}:", *(f"    {line}" for line in _lines(inside))]
        return lines

    def _each(self, field: FieldDescriptor, item_rules: Message | None, value: str) -> list[str]:
        """Tests of what a list or a map holds."""
        rules = said(item_rules)
        ignore = rules.pop("ignore", 0)
        if ignore == _IGNORE_ALWAYS:
            return []
        tests = self._tests(field, rules, value, entered=True)
        if tests and ignore == _IGNORE_IF_ZERO_VALUE and field.message_type is None:  # An empty message is tested as any: no harm.
            return [f"(not {value} or {' and '.join(tests)})"]
        return tests

    def _tests(self, field: FieldDescriptor, rules: Mapping[str, Any], value: str, *, entered: bool) -> list[str]:
        """Tests of one value."""
        kind, message = kind_of(field), field.message_type
        tests = write_tests(self._source, field, kind, said_of(rules, kind), value)
        if entered and message is not None and message.full_name in self._ruled:
            tests.append(f"{self._function(message)}({value})")
        return tests

    def _function(self, message: Descriptor) -> str:
        if message.full_name not in self._functions:
            self._functions[message.full_name] = f"assured_{len(self._functions)}"
            self._waiting.append(message)
        return self._functions[message.full_name]


def _lines(tests: Sequence[str]) -> list[str]:
    return [f"if not ({' and '.join(tests)}): return False"] if tests else []


def _ruled(root: Descriptor, annotations: Annotations) -> frozenset[str]:
    """Of a message type and all that it contains, those with rules in them or in what they contain."""
    types: dict[str, Descriptor] = {}
    waiting = [root]
    while waiting:
        message = waiting.pop()
        if message.full_name not in types:
            types[message.full_name] = message
            waiting += [field.message_type for field in message.fields if field.message_type is not None]
    ruled = {name for name, message in types.items() if annotations.has_rules(message)}
    grown = -1
    while grown != len(ruled):  # Types may contain themselves, so until nothing changes.
        grown = len(ruled)
        for name, message in types.items():
            if any(field.message_type is not None and field.message_type.full_name in ruled for field in message.fields):
                ruled.add(name)
    return frozenset(ruled)

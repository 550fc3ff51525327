"""What of a field breaks clients: its place on the wire and in code, its behaviours, what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from protoplane.contract import options
from protoplane.contract.breaks import Break
from protoplane.contract.edition import Edition
from protoplane.contract.model import Behavior, Place
from protoplane.contract.options import FieldOption
from protoplane.contract.stricter import stricter


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a message that both editions have."""

    old: Edition
    new: Edition
    message: Descriptor
    message_now: Descriptor

    def breaks(self, was: FieldDescriptor, now: FieldDescriptor | None) -> Iterator[Break]:
        """Of a field and the one that has its number now, if any."""
        if now is None:
            moved = self.message_now.fields_by_name.get(was.name)
            if moved is None:
                yield Break(self.old.places.field(was), "field-removed", f"`{short_name(was)}` is gone", gone=True)
            else:
                yield Break(
                    self.new.places.field(moved), "field-number", f"`{short_name(was)}` was number {was.number}, and is {moved.number}"
                )
            return
        place = self.new.places.field(now)
        if was.name != now.name:
            yield Break(place, "field-renamed", f"`{short_name(was)}` is called `{now.name}` now")
        elif was.json_name != now.json_name:
            yield Break(place, "field-json-name", f"`{short_name(was)}` was `{was.json_name}` in JSON, and is `{now.json_name}`")
        if _type(was) != _type(now):
            yield Break(place, "field-type", f"`{short_name(now)}` was {_type(was)}, and is {_type(now)}")
            return
        yield from self._standing(was, now, place)
        yield from self._meaning(was, now, place)

    def _standing(self, was: FieldDescriptor, now: FieldDescriptor, place: Place) -> Iterator[Break]:
        oneofs = _oneof(was, self.old), _oneof(now, self.new)
        if oneofs[0] != oneofs[1]:
            texts = [f"in the oneof `{each}`" if each else "in no oneof" for each in oneofs]
            yield Break(place, "field-oneof", f"`{short_name(now)}` was {texts[0]}, and is {texts[1]}")
        elif was.has_presence != now.has_presence:
            yield Break(place, "field-presence", f"`{short_name(now)}` was {_optional(was)}, and is {_optional(now)}")
        if not was.is_repeated and was.default_value != now.default_value:
            yield Break(place, "default-changed", f"`{short_name(now)}` was {was.default_value!r} when unset, and is {now.default_value!r}")

    def _meaning(self, was: FieldDescriptor, now: FieldDescriptor, place: Place) -> Iterator[Break]:
        said, says = self.old.annotations.field(was), self.new.annotations.field(now)
        sent, received = self.new.is_sent(self.message_now), self.new.is_received(self.message_now)
        gained = says.behaviors - said.behaviors
        at = self.new.places.field_option(now, options.BEHAVIOR)
        for behavior, rule, matters in _GAINED:
            writable = behavior is Behavior.INPUT_ONLY or Behavior.OUTPUT_ONLY not in said.behaviors
            if behavior in gained and writable and (sent if matters == "sent" else received):
                yield Break(at, rule, f"`{short_name(now)}` is {behavior.value} now")
        if Behavior.IDENTIFIER in said.behaviors - says.behaviors:
            yield Break(place, "behavior-identifier", f"`{short_name(now)}` is no IDENTIFIER any more")
        if says.sensitive and not said.sensitive and self.new.annotations.resource(self.message_now) is not None:
            yield Break(place, "field-not-queryable", f"`{short_name(now)}` is sensitive now")
        yield from self._access(now, said, says)
        if not sent or Behavior.OUTPUT_ONLY in says.behaviors:
            return
        for referred, refers in ((said.reference, says.reference), (said.reference_child, says.reference_child)):
            if refers not in {referred, "", "*"}:
                yield Break(place, "reference-changed", f"`{short_name(now)}` referred to {referred or 'nothing'}, and refers to {refers}")
        if says.format not in {said.format, ""}:
            yield Break(place, "rule-stricter", f"`{short_name(now)}` must be in the format {says.format} now")
        for rule in stricter(self.old.annotations.field_rules(was), self.new.annotations.field_rules(now)):
            yield Break(place, "rule-stricter", f"`{short_name(now)}` has the rule {rule}")

    def _access(self, now: FieldDescriptor, said: FieldOption, says: FieldOption) -> Iterator[Break]:
        place = self.new.places.field(now)
        hidden = self.new.is_received(self.message_now) and says.read not in {said.read, ""}
        if hidden:
            yield Break(place, "field-read-stricter", f"`{short_name(now)}` was for {_having(said.read)}, and is for {_having(says.read)}")
        written = self.new.is_sent(self.message_now) and Behavior.OUTPUT_ONLY not in says.behaviors
        # Who may not see a field may not change it, unless something else is said: that is no break of its own.
        if written and says.write not in {said.write, ""} and not (hidden and says.write == says.read):
            text = f"was changed by {_having(said.write)}, and is by {_having(says.write)}"
            yield Break(place, "field-write-stricter", f"`{short_name(now)}` {text}")


_GAINED: Final = (
    (Behavior.REQUIRED, "behavior-required", "sent"),
    (Behavior.OUTPUT_ONLY, "behavior-output-only", "sent"),
    (Behavior.IMMUTABLE, "behavior-immutable", "sent"),
    (Behavior.INPUT_ONLY, "behavior-input-only", "received"),
)


def short_name(field: FieldDescriptor) -> str:
    """As `Book.title`."""
    owner = field.containing_type
    assert owner is not None, "only an extension has none"
    return f"{owner.name}.{field.name}"


def _having(relation: str) -> str:
    return f"whoever has `{relation}`" if relation else "everybody"


def _optional(field: FieldDescriptor) -> str:
    return "optional" if field.has_presence else "without presence"


def _oneof(field: FieldDescriptor, edition: Edition) -> str:
    return field.containing_oneof.name if field.containing_oneof is not None and not edition.places.is_synthetic_oneof(field) else ""


_TYPES: Final = {
    getattr(FieldDescriptor, name): name.removeprefix("TYPE_").lower() for name in dir(FieldDescriptor) if name.startswith("TYPE_")
}


def _type(field: FieldDescriptor) -> str:
    """`string`, `repeated library.v1.Chapter`, `map<string, int32>`."""
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        return f"map<{_type(inner.fields_by_name['key'])}, {_type(inner.fields_by_name['value'])}>"
    named = inner or field.enum_type
    return ("repeated " if field.is_repeated else "") + (named.full_name if named is not None else _TYPES[field.type])

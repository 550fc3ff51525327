"""Valid resources, from descriptors and annotations, and from what the server said about earlier ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from protoplane.verify.annotations import Annotations, FieldFacts
from protoplane.verify.chance import Chance
from protoplane.verify.exchange import Message
from protoplane.verify.values import NoValueError, ascending, rule, rules_of, scalars

DEPTH_MAX: Final = 3
"""Messages in messages."""

SET_BY_SERVER: Final = frozenset(
    {"etag", "uid", "create_time", "update_time", "delete_time", "expire_time", "purge_time", "reconciling", "revision_id"}
)
"""Standard fields that callers do not fill (AIP-148, AIP-154), whatever is annotated."""

TIME_SECONDS: Final = 1_577_934_245
"""2020-01-02T03:04:05Z: long gone, and after everything that a contract may have as a lower bound."""

Refer = Callable[[str], str]
"""Type of a resource → the name of one; "" when none can be had."""


@dataclass(slots=True)
class Learned:
    """What the server's refusals tell about one kind of resource."""

    left_out: set[str] = field(default_factory=set)
    """Paths of fields that are not filled any more."""
    turns: dict[str, int] = field(default_factory=dict)
    """Path → how many values were refused there."""
    required: set[str] = field(default_factory=set)
    """Paths that must be filled though nothing says so."""
    only_required: bool = False


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes messages of the target."""

    annotations: Annotations
    chance: Chance

    def settable(self, message: Descriptor) -> Iterator[tuple[FieldDescriptor, FieldFacts]]:
        """The fields of a resource that callers may fill, without its name."""
        for each in message.fields:
            facts = self.annotations.field(each)
            kept = facts.behaviours & {"OUTPUT_ONLY", "IDENTIFIER"}
            if not kept and each.name not in SET_BY_SERVER and each.name != "name" and not each.GetOptions().deprecated:
                yield each, facts

    def message(self, descriptor: Descriptor, refer: Refer, learned: Learned) -> Message:
        """A valid message, with every field that can be filled. Raises NoValueError."""
        made = GetMessageClass(descriptor)()
        self._fill(made, refer, learned, "")
        return made

    def _fill(self, made: Message, refer: Refer, learned: Learned, path: str) -> None:
        chosen: set[str] = set()
        for each, facts in self.settable(made.DESCRIPTOR):
            here = f"{path}{each.name}"
            must = facts.required or here in learned.required
            group = each.containing_oneof.name if each.containing_oneof is not None else ""
            if group in chosen or here in learned.left_out or (learned.only_required and not must):
                continue
            try:
                filled = self._set(made, each, facts, refer, learned, here)
            except NoValueError:
                if must:
                    raise
                continue
            if filled and group:
                chosen.add(group)

    def _set(self, made: Message, each: FieldDescriptor, facts: FieldFacts, refer: Refer, learned: Learned, here: str) -> bool:
        """Fill one field; False when there is nothing to fill it with."""
        if here.count(".") >= DEPTH_MAX:
            return False
        turn = learned.turns.get(here, 0)
        if each.message_type is not None and each.message_type.GetOptions().map_entry:
            return self._set_map(made, each, facts)
        rules = rules_of(facts)
        if each.is_repeated:
            return self._set_repeated(made, each, facts, refer, learned, here)
        if each.message_type is not None:
            return self._set_message(made, each, facts, refer, learned, here)
        value = self._scalar(each, facts, rules, refer, turn)
        if value is None:
            return False
        setattr(made, each.name, value)
        return True

    def _set_message(self, made: Message, each: FieldDescriptor, facts: FieldFacts, refer: Refer, learned: Learned, here: str) -> bool:
        inner = getattr(made, each.name)
        inner.SetInParent()
        if facts.reference and inner.DESCRIPTOR.full_name == "google.protobuf.StringValue":
            inner.value = refer(facts.reference)
            if not inner.value:
                made.ClearField(each.name)
            return bool(inner.value)
        if not self._set_known(inner, rules_of(facts), learned.turns.get(here, 0)):
            self._fill(inner, refer, learned, f"{here}.")
        return True

    def _scalar(self, each: FieldDescriptor, facts: FieldFacts, rules: Any, refer: Refer, turn: int) -> Any:
        """A value, the n-th that comes to mind; None for a reference to what is not there."""
        if facts.reference:
            return refer(facts.reference) or None
        value = next(itertools.islice(scalars(each, facts, rules, self.chance), turn, None), None)
        if value is None:
            raise NoValueError(f"every value for `{each.name}` that could be thought of was refused")
        return value

    def _set_repeated(self, made: Message, each: FieldDescriptor, facts: FieldFacts, refer: Refer, learned: Learned, here: str) -> bool:
        rules = rules_of(facts)
        item = rules_of(FieldFacts(rules=rule(rules, "items")))
        count = max(int(rule(rules, "min_items") or 0), min(2, int(rule(rules, "max_items") or 2)))
        values = getattr(made, each.name)
        if each.message_type is not None:
            for _ in range(count):
                inner = values.add()
                if not self._set_known(inner, item, 0):
                    self._fill(inner, refer, learned, f"{here}.")
            return True
        if facts.reference:
            name = refer(facts.reference)
            values.extend([name] if name else [])
            return bool(name)
        turn = learned.turns.get(here, 0)
        values.extend(itertools.islice(_distinct(scalars(each, facts, item, self.chance)), turn, turn + count))
        return True

    def _set_map(self, made: Message, each: FieldDescriptor, facts: FieldFacts) -> bool:
        rules = rules_of(facts)
        assert each.message_type is not None
        key_field, value_field = (each.message_type.fields_by_name[name] for name in ("key", "value"))
        key = next(iter(scalars(key_field, FieldFacts(), rules_of(FieldFacts(rules=rule(rules, "keys"))), self.chance)))
        entries = getattr(made, each.name)
        if value_field.message_type is not None:
            if not self._set_known(entries[key], None, 0):
                self._fill(entries[key], lambda _: "", Learned(), "..")  # Shallow: what is inside is rarely required.
            return True
        values = scalars(value_field, FieldFacts(), rules_of(FieldFacts(rules=rule(rules, "values"))), self.chance)
        entries[key] = next(iter(values))
        return True

    def _set_known(self, inner: Message, rules: Any, turn: int) -> bool:  # noqa: C901 - one case a type reads as the table it is.
        """Fill a message whose meaning is known; False for any other."""
        name = inner.DESCRIPTOR.full_name
        match name:
            case "google.protobuf.Timestamp":
                inner.seconds = _between_times(rules, TIME_SECONDS + turn)
            case "google.protobuf.Duration":
                inner.seconds = _between_times(rules, 90 + turn)
            case "google.protobuf.Struct":
                inner.fields["verify"].string_value = "yes"
            case "google.protobuf.Value":
                inner.string_value = "verify"
            case "google.protobuf.ListValue":
                inner.values.add().string_value = "verify"
            case "google.protobuf.Any" | "google.protobuf.FieldMask" | "google.protobuf.Empty":
                pass
            case "google.type.Date":
                inner.year, inner.month, inner.day = 2020, 1, 2
            case "google.type.TimeOfDay":
                inner.hours = 3
            case "google.type.LatLng":
                inner.latitude, inner.longitude = 47.5, 8.5
            case "google.type.Money":
                inner.currency_code, inner.units = "CHF", 5
            case _ if name.startswith("google.protobuf.") and name.endswith("Value"):
                value = inner.DESCRIPTOR.fields_by_name["value"]
                inner.value = next(itertools.islice(scalars(value, FieldFacts(), rules, self.chance), turn, None))
            case _:
                return False
        return True

    def sorted_values(self, each: FieldDescriptor, count: int) -> list[Any] | None:
        """Distinct valid values of a text or number in ascending order; None when there are not so many."""
        facts, rules = self.annotations.field(each), None
        rules = rules_of(facts)
        if each.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            found = sorted(set(itertools.islice(_plain(scalars(each, facts, rules, self.chance), each, facts, rules, self), count)))
        else:
            found = ascending(each, rules, count)
        return found if len(found) == count else None


def _plain(first: Iterator[Any], each: FieldDescriptor, facts: FieldFacts, rules: Any, maker: Maker) -> Iterator[Any]:
    """Many texts of the likeliest form: the first of ever new rounds."""
    if rule(rules, "pattern") is not None or rule(rules, "in") is not None:
        yield from first
        return
    for _ in range(40):
        yield next(iter(scalars(each, facts, rules, maker.chance)))


def _distinct(values: Iterator[Any]) -> Iterator[Any]:
    seen = set()
    for value in values:
        if value not in seen:
            seen.add(value)
            yield value


def _between_times(rules: Any, wanted: int) -> int:
    """Seconds that the rules of a Timestamp or Duration allow, near those wanted."""
    low = [one.seconds + 1 for name in ("gt", "gte") if (one := rule(rules, name)) is not None]
    high = [one.seconds - (name == "lt") for name in ("lt", "lte") if (one := rule(rules, name)) is not None]
    return int(min(max([wanted, *low]), *high)) if high else int(max([wanted, *low]))

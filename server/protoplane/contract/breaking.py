"""What of a new edition of a contract breaks clients of the old one (AIP-180), and what to do instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, MethodDescriptor

from protoplane.contract import options
from protoplane.contract.breaking_fields import Fields, short_name
from protoplane.contract.breaks import Break
from protoplane.contract.edition import Edition
from protoplane.contract.model import Access, Behavior, Idempotency, IdSource, Place
from protoplane.contract.names import DEFAULT_ID_PATTERN
from protoplane.contract.options import RuleOption, StorageOption
from protoplane.contract.stricter import stricter


def breaks(old: Edition, new: Edition) -> tuple[Break, ...]:
    """Everything in `new` that breaks clients of `old`, by place."""
    found = [*_methods(old, new), *_messages(old, new), *_enums(old, new)]
    return tuple(
        sorted(dict.fromkeys(found), key=lambda each: (each.place.file, each.place.line, each.place.column, each.rule, each.problem))
    )


def _methods(old: Edition, new: Edition) -> Iterator[Break]:
    for path, was in old.methods.items():
        now = new.methods.get(path)
        if now is None:
            yield Break(old.places.method(was), "method-removed", f"`{path}` is gone", gone=True)
        else:
            yield from _Method(old, new, was, now, path).breaks()


@dataclass(frozen=True, slots=True)
class _Method:
    """A method in both editions."""

    old: Edition
    new: Edition
    was: MethodDescriptor
    now: MethodDescriptor
    path: str

    def breaks(self) -> Iterator[Break]:
        place = self.new.places.method(self.now)
        if _signature(self.was) != _signature(self.now):
            yield Break(place, "method-type", f"`{self.path}` was {_signature(self.was)}, and is {_signature(self.now)}")
        operation, operation_now = self.old.annotations.operation(self.was), self.new.annotations.operation(self.now)
        if operation != operation_now:
            yield Break(place, "operation-type", f"the operation of `{self.path}` was {operation}, and is {operation_now}")
        levels = self.old.annotations.idempotency(self.was), self.new.annotations.idempotency(self.now)
        if levels[0] is not Idempotency.UNKNOWN and levels[1] is Idempotency.UNKNOWN:
            yield Break(place, "idempotency-lost", f"`{self.path}` was {levels[0].name}, and says nothing now")
        yield from self._access()
        yield from self._pagination(place)

    def _access(self) -> Iterator[Break]:
        was, now = self.old.annotations.rule(self.was), self.new.annotations.rule(self.now)
        if was is None or now is None or was.access is None or now.access is None or was == now:
            return
        if _STRICT.get(now.access, len(_STRICT)) >= _STRICT.get(was.access, len(_STRICT)):
            texts = [_rule(each) for each in (was, now)]
            place = self.new.places.method_option(self.now, options.RULE)
            yield Break(place, "access-stricter", f"`{self.path}` asked for {texts[0]}, and asks for {texts[1]}")

    def _pagination(self, place: Place) -> Iterator[Break]:
        was, now = self.was.output_type, self.now.output_type
        many = any(field.is_repeated for field in was.fields)
        if many and "next_page_token" in now.fields_by_name and "next_page_token" not in was.fields_by_name:
            yield Break(place, "pagination-added", f"`{self.path}` gave everything at once, and gives pages")


_STRICT = {Access.PUBLIC: 0, Access.AUTHENTICATED: 1}
"""What each rule asks more than another; of the others none is known to let through who passed another one."""


def _rule(option: RuleOption) -> str:
    if option.permission:
        return f"permission {option.permission!r}"
    return f"{option.access} {option.relation!r}" if option.relation else str(option.access)


def _signature(method: MethodDescriptor) -> str:
    streams = ["stream " if each else "" for each in (method.client_streaming, method.server_streaming)]
    return f"{streams[0]}{method.input_type.full_name} → {streams[1]}{method.output_type.full_name}"


def _messages(old: Edition, new: Edition) -> Iterator[Break]:
    for name, was in old.messages.items():
        now = new.messages.get(name)
        if now is None:
            yield Break(old.places.message(was), "message-removed", f"`{name}` is gone", gone=True)
            continue
        numbers = {field.number: field for field in now.fields}
        for field in was.fields:
            yield from Fields(old, new, was, now).breaks(field, numbers.get(field.number))
        known = {field.number for field in was.fields}
        for field in now.fields:
            if field.number not in known and new.is_sent(now) and Behavior.REQUIRED in new.annotations.field(field).behaviors:
                yield Break(new.places.field(field), "behavior-required", f"`{short_name(field)}` is new and REQUIRED")
        yield from _resource(old, new, was, now)
        for rule in stricter(old.annotations.message_rules(was), new.annotations.message_rules(now)) if new.is_sent(now) else ():
            yield Break(new.places.message(now), "rule-stricter", f"`{now.name}` has the rule {rule}")


def _resource(old: Edition, new: Edition, was: Descriptor, now: Descriptor) -> Iterator[Break]:
    said, says = old.annotations.resource(was), new.annotations.resource(now)
    if said is None:
        return
    if says is None:
        yield Break(new.places.message(now), "resource-type", f"`{now.name}` was the resource {said.type}, and is none")
        return
    place = new.places.message_option(now, options.RESOURCE)
    if said.type != says.type:
        yield Break(place, "resource-type", f"`{now.name}` was {said.type}, and is {says.type}")
    for pattern in said.patterns:
        if pattern not in says.patterns:
            yield Break(place, "resource-pattern", f"`{now.name}` has no names like `{pattern}` any more")
    first = said.patterns[:1]
    if first and first[0] in says.patterns[1:]:
        yield Break(place, "pattern-order", f"`{first[0]}` was the first pattern of `{now.name}`, and is behind `{says.patterns[0]}`")
    if len(said.patterns) == 1 < len(says.patterns):
        for field in _references(old, said.type):
            yield Break(place, "pattern-added", f"`{now.name}` has several patterns now, and `{short_name(field)}` refers to it")
    if (said.name_field or "name") != (says.name_field or "name"):
        yield Break(
            place,
            "resource-pattern",
            f"the name of `{now.name}` was in `{said.name_field or 'name'}`, and is in `{says.name_field or 'name'}`",
        )
    yield from _relations(old, new, was, now)
    yield from _storage(new, was, now, (old.annotations.storage(was) or StorageOption(), new.annotations.storage(now) or StorageOption()))


def _relations(old: Edition, new: Edition, was: Descriptor, now: Descriptor) -> Iterator[Break]:
    kept = {relation.name for relation in new.annotations.access(now).relations}
    for relation in old.annotations.access(was).relations:
        if relation.name not in kept:
            yield Break(new.places.message(now), "relation-removed", f"`{now.name}` has no relation `{relation.name}` any more")


def _references(edition: Edition, kind: str) -> Iterator[FieldDescriptor]:
    """The fields of resources, and of what is inside them, that refer to a type."""
    seen: set[str] = set()
    waiting = [message for message in edition.messages.values() if edition.annotations.resource(message) is not None]
    while waiting:
        message = waiting.pop()
        if message.full_name not in seen:
            seen.add(message.full_name)
            yield from (field for field in message.fields if edition.annotations.field(field).reference == kind)
            waiting += [field.message_type for field in message.fields if field.message_type is not None]


def _storage(new: Edition, was: Descriptor, now: Descriptor, both: tuple[StorageOption, StorageOption]) -> Iterator[Break]:
    said, says = both
    place = new.places.message_option(now, options.STORAGE)
    if said.id_source is not says.id_source and says.id_source is not IdSource.EITHER:
        yield Break(place, "id-stricter", f"ids of `{now.name}` were made by {_maker(said.id_source)}, and are by {_maker(says.id_source)}")
    patterns = said.id_pattern or DEFAULT_ID_PATTERN, says.id_pattern or DEFAULT_ID_PATTERN
    if patterns[0] != patterns[1] and IdSource.SERVER not in {said.id_source, says.id_source}:
        yield Break(place, "id-stricter", f"ids of `{now.name}` matched `{patterns[0]}`, and must match `{patterns[1]}`")
    known = {paths for paths, unique in said.indexes if unique}
    for paths, unique in says.indexes:
        if unique and paths not in known and not any(_is_narrower(other, paths) for other in known) and _is_old(was, paths):
            at = new.places.message_option(now, options.STORAGE, *(f'"{path}"' for path in paths[:1]))
            yield Break(at, "unique-added", f"`{now.name}` must be unique by {', '.join(paths)} now")


def _is_narrower(known: tuple[str, ...], paths: tuple[str, ...]) -> bool:
    """Whether rows that are unique by some fields are so by more anyway."""
    return set(known) <= set(paths)


def _is_old(was: Descriptor, paths: tuple[str, ...]) -> bool:
    """Whether all fields were there before; of new ones, rows of today's clients have no values that could collide."""
    return all(path.partition(".")[0] in was.fields_by_name for path in paths)


def _maker(source: IdSource) -> str:
    return {IdSource.EITHER: "callers who wished to", IdSource.CLIENT: "callers", IdSource.SERVER: "the service"}[source]


def _enums(old: Edition, new: Edition) -> Iterator[Break]:
    for name, was in old.enums.items():
        now = new.enums.get(name)
        if now is None:
            yield Break(old.places.enum(was), "enum-value-removed", f"`{name}` is gone", gone=True)
        else:
            yield from _values(new, was, now)


def _values(new: Edition, was: EnumDescriptor, now: EnumDescriptor) -> Iterator[Break]:
    for value in was.values:
        same = now.values_by_name.get(value.name)
        if same is None:
            other = now.values_by_number.get(value.number)
            text = f"is called `{other.name}` now" if other is not None else "is gone"
            yield Break(new.places.enum(now), "enum-value-removed", f"`{was.name}.{value.name}` {text}")
        elif same.number != value.number:
            text = f"`{was.name}.{value.name}` was number {value.number}, and is {same.number}"
            yield Break(new.places.enum(now), "enum-value-removed", text)
    first = was.values[0], now.values[0]
    if first[0].number == first[1].number == 0 and first[0].name != first[1].name:
        yield Break(new.places.enum(now), "default-changed", f"`{was.name}` was {first[0].name} when unset, and is {first[1].name}")

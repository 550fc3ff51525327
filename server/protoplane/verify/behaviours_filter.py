"""Filters: 28 to 33 (AIP-160). What a service refuses it does not serve, which it may; what it serves must find the right rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from protoplane.verify.check import MANY, Scene, check
from protoplane.verify.fields import changeable, free_text
from protoplane.verify.order import column, refused
from protoplane.verify.resources import Role
from protoplane.verify.scope import Scope, Values, each_with, every_other_without, scope_of
from protoplane.verify.values import rules_of, scalars
from protoplane.verify.verdict import about, expect, expect_code, skip
from protoplane.verify.world import clearing

NEEDS: Final = (Role.LIST, Role.CREATE)


@dataclass(frozen=True, slots=True)
class Texts:
    """Four rows a, b, c, d with a text each."""

    scope: Scope
    field: str
    values: tuple[str, ...]

    def finds(self, text: str, wanted: str) -> bool:
        """Whether a filter is served; Wrong when it finds other rows than those wanted (`ac`)."""
        for letter, value in zip("abcd", self.values, strict=True):
            text = text.replace(f"<{letter}>", f'{self.field} = "{value}"')
        return finds(self.scope, text, {self.scope.names["abcd".index(letter)] for letter in wanted})


def finds(scope: Scope, text: str, wanted: set[str]) -> bool:
    """Whether a filter is served; Wrong when it finds other rows of ours than those wanted."""
    scene = scope.scene
    whole = f"({scope.arguments['filter']}) AND ({text})" if "filter" in scope.arguments else text
    arguments = {**scope.arguments, "filter": whole}
    found = scene.some(MANY, **arguments)
    if refused(found):
        return False
    with about(f"filter {text!r}"):
        expect_code(found, "OK")
        own = {name for page in scene.walk(lambda _: MANY, **arguments) for name in scope.own(page)}
        surplus, missing = sorted(own - wanted), sorted(wanted - own)
        expect(not surplus, f"finds {', '.join(surplus)}, which do not match", found)
        expect(not missing, f"does not find {', '.join(missing)}", found)
    return True


def texts(scene: Scene, suffixes: tuple[str, ...] = ("", "", "", "")) -> Texts:
    """Rows with texts of their own. NotApplicable when `field = "text"` is not served."""
    if not scene.kind.has(Role.LIST, "filter"):
        skip("the list has no `filter`")
    field, word = free_text(scene).name, scene.world.chance.word(8)
    values = tuple(f"{letter}{word}{suffix}" for letter, suffix in zip("abcd", suffixes, strict=True))
    scope = scope_of(scene, 4, each_with(field, values))
    if "filter" in scope.arguments:
        skip("the rows of others leave no text to filter by")
    found = Texts(scope, field, values)
    if not finds(scope, f'{field} = "{values[0]}"', {scope.names[0]}):
        skip(f"it does not filter by `{field}`: {scene.world.caller.latest[-1].message}")
    return found


def _any(served: list[bool], what: str) -> None:
    if not any(served):
        skip(f"{what} is not served")


@check(28, aip=160, needs=NEEDS)
def or_binds_tighter(scene: Scene) -> None:
    """OR binds tighter than AND."""
    four = texts(scene)
    # As in other languages it would be a OR (b AND b'), which finds a as well.
    _any([four.finds("<a> OR <b> AND <b>", "b"), four.finds("<b> AND <b> OR <a>", "b")], "OR with AND")


@check(28, aip=160, needs=NEEDS)
def not_takes_the_others(scene: Scene) -> None:
    """NOT and - take the others, and factors side by side are AND."""
    four = texts(scene)
    _any(
        [
            four.finds("NOT <a>", "bcd"),
            four.finds("-<a>", "bcd"),
            four.finds("NOT <a> NOT <b>", "cd"),
            four.finds("(<a> OR <b>) NOT <a>", "b"),
        ],
        "NOT",
    )


@check(29, aip=160, needs=NEEDS)
def numbers_compare(scene: Scene) -> None:
    """Numbers compare as numbers."""
    if not scene.kind.has(Role.LIST, "filter"):
        skip("the list has no `filter`")
    one = column(scene, number=True)
    name, ordered = one.field.name, one.ascending
    low, high = (one.values[ordered[i]] for i in (1, 2))
    served = [
        finds(one.scope, f"{name} > {low}", set(ordered[2:])),
        finds(one.scope, f"{name} >= {low}", set(ordered[1:])),
        finds(one.scope, f"{name} < {high}", set(ordered[:2])),
        finds(one.scope, f"{name} != {low}", {*ordered[:1], *ordered[2:]}),
    ]
    _any(served, f"a comparison of `{name}`")


@check(29, aip=160, needs=NEEDS)
def names_are_literals(scene: Scene) -> None:
    """Truth values and names of enums are literals."""
    if not scene.kind.has(Role.LIST, "filter"):
        skip("the list has no `filter`")
    served = []
    for each in changeable(scene):
        if each.is_repeated or (each.containing_oneof is not None and len(each.containing_oneof.fields) > 1):
            continue
        if each.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            scope = scope_of(scene, 2, each_with(each.name, (False, True)))
            served.append(finds(scope, f"{each.name} = true", {scope.names[1]}))
        elif each.cpp_type == FieldDescriptor.CPPTYPE_ENUM and len(numbers := _plain_numbers(scene, each)) > 1:
            scope = scope_of(scene, 2, each_with(each.name, numbers))
            served.append(finds(scope, f"{each.name} = {_name_of(each, numbers[0])}", {scope.names[0]}))
    if not served:
        skip(f"{scene.kind.title} has no truth value and no enum to change")
    _any(served, "a comparison of truth values or enums")


def _name_of(each: FieldDescriptor, number: int) -> str:
    assert each.enum_type is not None
    return str(each.enum_type.values_by_number[number].name)


def _plain_numbers(scene: Scene, each: FieldDescriptor) -> list[int]:
    facts = scene.world.annotations.field(each)
    return [number for number in scalars(each, facts, rules_of(facts), scene.world.chance) if number]


@check(29, aip=160, needs=NEEDS)
def times_compare(scene: Scene) -> None:
    """Times compare as times, in any offset."""
    if not scene.kind.has(Role.LIST, "filter"):
        skip("the list has no `filter`")
    field = next((each for each in changeable(scene) if _is(each, "Timestamp")), None) or skip(f"{scene.kind.title} has no time to set")
    seconds = (1_577_934_245, 1_577_934_246)
    scope = scope_of(scene, 2, lambda i: lambda body: setattr(getattr(body, field.name), "seconds", seconds[i]))
    served = [
        finds(scope, f'{field.name} = "2020-01-02T03:04:05Z"', {scope.names[0]}),
        finds(scope, f'{field.name} > "2020-01-02T05:04:05+02:00"', {scope.names[1]}),
    ]
    _any(served, f"a comparison of `{field.name}`")


def _is(each: FieldDescriptor, name: str) -> bool:
    return each.message_type is not None and not each.is_repeated and each.message_type.full_name == f"google.protobuf.{name}"


@check(30, aip=160, must=False, needs=NEEDS)
def stars_stand_for_text(scene: Scene) -> None:
    """* stands for any text in `=`."""
    four = texts(scene, ("one", "two", "one", "two"))
    word = four.values[0][1:-3]
    served = [
        four.finds(f'{four.field} = "*{word}one"', "ac"),
        four.finds(f'{four.field} = "b{word}*"', "b"),
    ]
    _any(served, "*")


@check(31, aip=160, needs=NEEDS)
def lists_have_values(scene: Scene) -> None:
    """`list:value` finds the rows whose list has it."""
    if not scene.kind.has(Role.LIST, "filter"):
        skip("the list has no `filter`")
    field = next((each for each in changeable(scene) if each.is_repeated and each.type == FieldDescriptor.TYPE_STRING), None)
    if field is None:
        skip(f"{scene.kind.title} has no list of texts")
    value = next(iter(getattr(scene.world.body(scene.kind), field.name)), None) or skip(f"no value can be made for `{field.name}`")

    def values(i: int) -> Any:
        def change(body: Any) -> None:
            body.ClearField(field.name)
            if i:
                getattr(body, field.name).append(value)

        return change

    if scene.world.annotations.field(field).required:
        skip(f"`{field.name}` may not be empty")
    scope = scope_of(scene, 2, values)
    _any([finds(scope, f'{field.name}:"{value}"', {scope.names[1]})], f"`:` on `{field.name}`")


@check(31, aip=160, needs=NEEDS)
def maps_have_keys(scene: Scene) -> None:
    """`map:key` and `map.key:value` look into maps."""
    if not scene.kind.has(Role.LIST, "filter"):
        skip("the list has no `filter`")
    field = next((each for each in changeable(scene) if _texts_by_text(each)), None) or skip(f"{scene.kind.title} has no map of texts")
    keys = list(getattr(scene.world.body(scene.kind), field.name)) or skip(f"no key can be made for `{field.name}`")

    def values(i: int) -> Any:
        def change(body: Any) -> None:
            body.ClearField(field.name)
            if i:
                getattr(body, field.name)[keys[0]] = "yes"

        return change

    scope = scope_of(scene, 2, values)
    served = [
        finds(scope, f"{field.name}:{keys[0]}", {scope.names[1]}),
        finds(scope, f'{field.name}.{keys[0]} = "yes"', {scope.names[1]}),
    ]
    _any(served, f"a look into `{field.name}`")


def _texts_by_text(each: FieldDescriptor) -> bool:
    if each.message_type is None or not each.message_type.GetOptions().map_entry:
        return False
    return all(each.message_type.fields_by_name[name].type == FieldDescriptor.TYPE_STRING for name in ("key", "value"))


@check(31, aip=160, needs=NEEDS)
def presence_is_seen(scene: Scene) -> None:
    """`field:*` finds the rows in which the field is set."""
    if not scene.kind.has(Role.LIST, "filter"):
        skip("the list has no `filter`")
    field = next((each for each in changeable(scene) if _may_be_unset(scene, each)), None)
    if field is None:
        skip(f"{scene.kind.title} has no field that may be unset")
    scope = scope_of(scene, 2, every_other_without(field.name))
    _any([finds(scope, f"{field.name}:*", {scope.names[0]})], f"`{field.name}:*`")


def _without(name: str) -> Values:
    return lambda _: clearing(name)


def _may_be_unset(scene: Scene, each: FieldDescriptor) -> bool:
    facts = scene.world.annotations.field(each)
    text = each.type == FieldDescriptor.TYPE_STRING and not each.is_repeated
    lone = each.containing_oneof is None or len(each.containing_oneof.fields) == 1
    return text and lone and not facts.required and facts.rules is None


@check(32, aip=160, must=False, needs=NEEDS)
def unset_messages_match_nothing(scene: Scene) -> None:
    """An unset message on the way matches nothing, not even `!=`."""
    if not scene.kind.has(Role.LIST, "filter"):
        skip("the list has no `filter`")
    for each in changeable(scene):
        inside = each.message_type
        if inside is None or each.is_repeated or inside.full_name.startswith("google."):
            continue
        if each.containing_oneof is not None or scene.world.annotations.field(each).required:
            continue
        inner = next((one for one in inside.fields if one.type == FieldDescriptor.TYPE_STRING and not one.is_repeated), None)
        if inner is None or inner.containing_oneof is not None:
            continue
        scope = scope_of(scene, 1, _without(each.name))
        _any([finds(scope, f'{each.name}.{inner.name} != "verify"', set())], f"`{each.name}.{inner.name}`")
        return
    skip(f"{scene.kind.title} has no message with a text that may be unset")


@check(33, aip=160, must=False, needs=(Role.LIST,), writes=False)
def bad_filters_are_refused(scene: Scene) -> None:
    """Filters that cannot be used are refused with INVALID_ARGUMENT."""
    if not scene.kind.has(Role.LIST, "filter"):
        skip("the list has no `filter`")
    parent = {"parent": scene.world.parent(scene.kind)} if scene.kind.has(Role.LIST, "parent") else {}
    bad = ["verify_is_no_field = 1", "((", f'{scene.kind.name_field} = "', "e[0].foo = 1"]
    for each in scene.kind.message.fields:
        if each.is_repeated or "INPUT_ONLY" in scene.world.annotations.field(each).behaviours:
            continue
        if each.cpp_type == FieldDescriptor.CPPTYPE_INT32:
            bad.append(f'{each.name} = "verify"')
        if each.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
            bad.append(f"{each.name} = VERIFY_IS_NO_VALUE")
        if _is(each, "Timestamp"):
            bad.append(f'{each.name} > "verify"')
    for text in bad:
        with about(f"filter {text!r}"):
            expect_code(scene.page(**parent, filter=text), "INVALID_ARGUMENT")

"""Field behaviours and names: 8 to 12 (AIP-122, 203)."""

from __future__ import annotations

import re

from google.protobuf.descriptor import FieldDescriptor

from protoplane.verify.check import Scene, check
from protoplane.verify.fields import is_odd, outputs, required, set_odd, two_values, with_behaviour
from protoplane.verify.resources import Role
from protoplane.verify.values import NoValueError
from protoplane.verify.verdict import about, expect, expect_code, skip
from protoplane.verify.world import clearing, setting

WRITES = (Role.CREATE, Role.GET)


@check(8, aip=203, needs=(Role.CREATE,))
def required_on_create(scene: Scene) -> None:
    """A Create without a REQUIRED field is refused with INVALID_ARGUMENT."""
    fields = required(scene) or skip(f"{scene.kind.title} has no REQUIRED field")
    for each in fields:
        with about(f"without `{each.name}`"):
            expect_code(scene.try_new(clearing(each.name)), "INVALID_ARGUMENT")


@check(8, aip=203, needs=(Role.CREATE, Role.UPDATE))
def required_only_if_in_the_mask(scene: Scene) -> None:
    """An Update whose mask does not name a REQUIRED field does without it."""
    known = required(scene) or skip(f"{scene.kind.title} has no REQUIRED field")
    field, first, second = two_values(scene)
    others = [each for each in known if each.name != field.name] or skip("the only field to change is the REQUIRED one")
    made = scene.new(setting(field.name, first))
    body = scene.empty(scene.name(made))
    setattr(body, field.name, second)
    found = scene.update(body, [field.name])
    expect_code(found, "OK")
    kept = all(getattr(found.response, each.name) == getattr(made, each.name) for each in others)
    expect(kept, "REQUIRED fields that the mask does not name keep their values", found)


@check(8, aip=203, needs=(Role.CREATE, Role.UPDATE))
def required_in_the_mask(scene: Scene) -> None:
    """An Update whose mask names a REQUIRED field does not empty it."""
    immutable = {each.name for each in with_behaviour(scene, "IMMUTABLE")}
    fields = [each for each in required(scene) if each.name not in immutable] or skip(f"{scene.kind.title} has no REQUIRED field to change")
    name = scene.name(scene.new())
    for each in fields:
        with about(f"with `{each.name}` in the mask, empty"):
            expect_code(scene.update(scene.empty(name), [each.name]), "INVALID_ARGUMENT")


@check(9, aip=203, needs=(Role.CREATE,))
def output_only_on_create(scene: Scene) -> None:
    """OUTPUT_ONLY fields in a Create are ignored, and no error."""
    fields = outputs(scene) or skip(f"{scene.kind.title} has no OUTPUT_ONLY field")
    scene.world.usable(scene.kind)
    told = [each for each in fields if each.name != "etag"]

    found = scene.try_new(lambda body: [set_odd(body, each) for each in told])
    expect_code(found, "OK")
    taken = [each.name for each in told if _can_be_odd(each) and is_odd(found.response, each)]
    expect(not taken, f"the server took the caller's `{', '.join(taken)}`", found)


@check(9, aip=203, needs=(Role.CREATE, Role.UPDATE))
def output_only_on_update(scene: Scene) -> None:
    """OUTPUT_ONLY fields in an Update without a mask are ignored, and no error."""
    fields = [each for each in outputs(scene) if each.name != "etag"] or skip(f"{scene.kind.title} has no OUTPUT_ONLY field")
    body = scene.empty(scene.name(scene.new()))
    for each in fields:
        set_odd(body, each)
    found = scene.update(body, None)
    expect_code(found, "OK")
    taken = [each.name for each in fields if _can_be_odd(each) and is_odd(found.response, each)]
    expect(not taken, f"the server took the caller's `{', '.join(taken)}`", found)


def _can_be_odd(each: FieldDescriptor) -> bool:
    if each.is_repeated:
        return False
    if each.message_type is not None:
        return bool(each.message_type.full_name == "google.protobuf.Timestamp")
    return each.cpp_type not in {FieldDescriptor.CPPTYPE_ENUM, FieldDescriptor.CPPTYPE_BOOL}


@check(9, aip=203, needs=WRITES)
def input_only_is_never_returned(scene: Scene) -> None:
    """INPUT_ONLY fields are never returned."""
    fields = with_behaviour(scene, "INPUT_ONLY") or skip(f"{scene.kind.title} has no INPUT_ONLY field")
    made = scene.new()
    read = scene.get(scene.name(made))
    expect_code(read, "OK")
    for each in fields:
        shown = any(_filled(message, each) for message in (made, read.response))
        expect(not shown, f"`{each.name}` is INPUT_ONLY and comes back", *scene.world.caller.latest[-2:])


def _filled(message: object, each: FieldDescriptor) -> bool:
    value = getattr(message, each.name)
    return len(value) > 0 if each.is_repeated else value != each.default_value if each.message_type is None else value.ByteSize() > 0


@check(10, aip=203, must=False, needs=(*WRITES, Role.UPDATE))
def immutable_may_be_repeated(scene: Scene) -> None:
    """An Update may name an IMMUTABLE field with the value it has."""
    fields = with_behaviour(scene, "IMMUTABLE") or skip(f"{scene.kind.title} has no IMMUTABLE field")
    made = scene.new()
    for each in fields:
        with about(f"`{each.name}` as it was"):
            expect_code(scene.update(made, [each.name]), "OK")


@check(10, aip=203, must=False, needs=(*WRITES, Role.UPDATE))
def immutable_may_not_change(scene: Scene) -> None:
    """An Update that changes an IMMUTABLE field is refused with INVALID_ARGUMENT."""
    fields = with_behaviour(scene, "IMMUTABLE") or skip(f"{scene.kind.title} has no IMMUTABLE field")
    made, seen = scene.new(), False
    for each in fields:
        if each.is_repeated or each.message_type is not None or scene.world.annotations.field(each).reference or _alone(each):
            continue
        try:
            values = scene.world.maker.sorted_values(each, 2) if each.cpp_type != FieldDescriptor.CPPTYPE_ENUM else None
        except NoValueError:
            continue
        other = next((value for value in values or () if value != getattr(made, each.name)), None)
        if other is None:
            continue
        seen = True
        body = scene.empty(scene.name(made))
        setattr(body, each.name, other)
        with about(f"`{each.name}` with another value"):
            expect_code(scene.update(body, [each.name]), "INVALID_ARGUMENT")
            expect(getattr(scene.read(scene.name(made)), each.name) == getattr(made, each.name), "it keeps its value")
    if not seen:
        skip("no IMMUTABLE field has a second value that could be tried")


def _alone(each: FieldDescriptor) -> bool:
    return each.containing_oneof is not None and len(each.containing_oneof.fields) > 1


@check(10, aip=203, must=False, needs=(Role.CREATE,))
def identifier_is_ignored_on_create(scene: Scene) -> None:
    """The name in a Create's resource is ignored, and may stand in the mask of an Update."""
    found = scene.try_new(setting(scene.kind.name_field, "verify/ignored"))
    expect_code(found, "OK")
    expect(scene.name(found.response) != "verify/ignored", "the server took the name from the resource", found)
    if not scene.kind.has(Role.UPDATE):
        return
    field, _, second = two_values(scene)
    body = scene.empty(scene.name(found.response))
    setattr(body, field.name, second)
    expect_code(scene.update(body, [scene.kind.name_field, field.name]), "OK")


@check(11, aip=122, needs=WRITES)
def names_are_canonical(scene: Scene) -> None:
    """Names are as the pattern says, and come back the same from every method."""
    made = scene.new()
    name = scene.name(made)
    forms = [re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(pattern)) for pattern in scene.kind.patterns]
    if forms:
        expect(
            any(re.fullmatch(form, name) for form in forms),
            f"the name {name!r} fits none of {', '.join(scene.kind.patterns)}",
            scene.world.caller.latest[-1],
        )
    found = scene.get(name)
    expect_code(found, "OK")
    expect(scene.name(found.response) == name, f"Get answers with another name than {name!r}", found)


@check(11, aip=122, writes=False)
def collections_are_camel_case(scene: Scene) -> None:
    """The ids of collections are camelCase."""
    for pattern in scene.kind.patterns or skip("no pattern is annotated"):
        segments = [segment for segment in pattern.split("/") if not segment.startswith("{")]
        wrong = [segment for segment in segments if not re.fullmatch(r"[a-z][a-zA-Z0-9]*", segment)]
        expect(not wrong, f"{pattern}: {', '.join(wrong)} is not camelCase")


@check(11, aip=122, needs=(Role.GET,), writes=False)
def malformed_names_are_refused(scene: Scene) -> None:
    """Malformed names are refused with INVALID_ARGUMENT."""
    if not scene.kind.pattern:
        skip("nothing says what its names look like")
    segments = [segment if not segment.startswith("{") else "verify" for segment in scene.kind.pattern.split("/")]
    whole = "/".join(segments)
    for name in ("", f"/{whole}", f"{whole}/", "/".join(["verifyNone", *segments[1:]]), f"{whole}/more"):
        with about(f"name {name!r}"):
            expect_code(scene.get(name), "INVALID_ARGUMENT")


BAD_IDS = ("verify/a", "verify a", "verify-ä", "verify\n", "v" * 300)
"""Ids that break names, whatever a service allows."""


@check(12, aip=122, must=False, needs=(Role.CREATE,))
def bad_ids_are_refused(scene: Scene) -> None:
    """Ids that would break names are refused with INVALID_ARGUMENT."""
    if not scene.world.new_id(scene.kind):
        skip("callers give no ids")
    bad = [*BAD_IDS, *(["Verify-A", "1verify", "verify-", "-verify"] if not scene.world.id_pattern(scene.kind) else [])]
    for own_id in bad:
        with about(f"id {own_id[:20]!r}"):
            expect_code(scene.try_new(own_id=own_id), "INVALID_ARGUMENT")


@check(12, aip=122, must=False, needs=(Role.CREATE,))
def long_ids_are_taken(scene: Scene) -> None:
    """Ids of 63 small letters, digits and hyphens are taken."""
    if not scene.world.new_id(scene.kind):
        skip("callers give no ids")
    if scene.world.id_pattern(scene.kind):
        skip("the service has a rule of its own for ids")
    scene.world.usable(scene.kind)
    if scene.world.has_numbers(scene.kind):
        skip("ids are numbers here")
    own_id = f"v-{scene.world.chance.word(60)}9"
    found = scene.try_new(own_id=own_id)
    expect_code(found, "OK")
    expect(scene.name(found.response).endswith(f"/{own_id}"), "the id is not the one that was given", found)

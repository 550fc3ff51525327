"""Update: 35 to 40 (AIP-134, 148, 154, 161)."""

from __future__ import annotations

import contextlib
import re
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from protoplane.base import clock
from protoplane.verify.check import Scene, check
from protoplane.verify.exchange import Message
from protoplane.verify.fields import CHANGING, changeable, is_odd, outputs, required, same, scalars_of, set_odd, two_values, with_behaviour
from protoplane.verify.resources import Role
from protoplane.verify.verdict import NotApplicable, about, expect, expect_code, skip
from protoplane.verify.world import setting

NEEDS: Final = (Role.CREATE, Role.GET, Role.UPDATE)
ETAG: Final = re.compile(r'(W/)?"[^"]*"')
CLEARED_MAX: Final = 5
"""Fields of one resource that are emptied."""
CLOCK_SECONDS: Final = 1.1
"""Some clocks tell whole seconds."""


def _one(scene: Scene) -> tuple[Message, FieldDescriptor, Any]:
    """A stored resource, a field of it, and another value for that."""
    field, first, second = two_values(scene)
    return scene.new(setting(field.name, first)), field, second


def _with(scene: Scene, made: Message, name: str, value: Any) -> Message:
    body = scene.empty(scene.name(made))
    setattr(body, name, value)
    return body


@check(35, aip=134, needs=NEEDS)
def masks_name_what_changes(scene: Scene) -> None:
    """A mask of one field changes that field and no other."""
    made, field, second = _one(scene)
    body = _with(scene, made, field.name, second)
    with contextlib.suppress(NotApplicable):  # Said, and not meant: the mask does not name it.
        other, third, fourth = two_values(scene, besides=field.name)
        setattr(body, other.name, third if getattr(made, other.name) != third else fourth)
    found = scene.update(body, [field.name])
    expect_code(found, "OK")
    expect(getattr(found.response, field.name) == second, f"`{field.name}` is not what was given", found)
    changed = same(made, scene.read(scene.name(made)), but=CHANGING | {field.name} | _derived(scene))
    expect(not changed, f"`{changed}` changed, too", found)


def _derived(scene: Scene) -> frozenset[str]:
    return frozenset(each.name for each in outputs(scene))


_SCALARS: Final = (FieldDescriptor.CPPTYPE_STRING, FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64)


@check(35, aip=134, needs=NEEDS)
def no_mask_is_what_is_populated(scene: Scene) -> None:
    """Without a mask the fields that are populated change, and no others."""
    expect(not scene.needs_mask, "the contract calls `update_mask` REQUIRED; the AIP has callers leave it out")
    made, field, second = _one(scene)
    found = scene.update(_with(scene, made, field.name, second), None)
    expect_code(found, "OK")
    expect(getattr(found.response, field.name) == second, f"`{field.name}` is not what was given", found)
    changed = same(made, found.response, but=CHANGING | {field.name} | _derived(scene))
    expect(not changed, f"`{changed}` changed, too", found)


@check(35, aip=134, needs=NEEDS)
def the_star_replaces_everything(scene: Scene) -> None:
    """The mask * replaces everything."""
    made, field, second = _one(scene)
    body = _with(scene, made, field.name, second)
    kept = {each.name for each in (*required(scene), *with_behaviour(scene, "IMMUTABLE"), *with_behaviour(scene, "REQUIRED"))}
    for name in kept - {field.name}:
        _copy(made, body, scene.kind.message.fields_by_name[name])
    found = scene.update(body, ["*"])
    ruled = [path for path in found.violations if path.removeprefix(f"{scene.kind.word}.").partition(".")[0] in _names(scene)]
    if ruled or (found.code == "INVALID_ARGUMENT" and scene.world.learned(scene.kind).required):
        skip(f"what else must be there is not annotated: {found.message}")
    expect_code(found, "OK")
    expect(getattr(found.response, field.name) == second, f"`{field.name}` is not what was given", found)
    for each in changeable(scene):
        if each.name not in kept | {field.name} and each.has_presence:
            expect(not found.response.HasField(each.name), f"`{each.name}` was not given and is still there", found)
        elif each.name not in kept | {field.name} and each.name != "etag":
            value = getattr(found.response, each.name)
            empty = not len(value) if each.is_repeated else value == each.default_value
            expect(empty, f"`{each.name}` was not given and is still there", found)


def _names(scene: Scene) -> set[str]:
    return {each.name for each in scene.kind.message.fields}


def _copy(source: Message, to: Message, each: FieldDescriptor) -> None:
    if each.is_repeated or each.message_type is not None:
        getattr(to, each.name).MergeFrom(getattr(source, each.name))
    else:
        setattr(to, each.name, getattr(source, each.name))


@check(36, aip=161, needs=NEEDS)
def unknown_paths_are_refused(scene: Scene) -> None:
    """A mask that names no field is refused with INVALID_ARGUMENT."""
    made, field, second = _one(scene)
    repeated = [f"{each.name}.0" for each in changeable(scene) if each.is_repeated and not _is_map(each)][:1]
    for path in ("verify_is_no_field", f"{field.name}.verify", *repeated):
        with about(f"mask {path!r}"):
            expect_code(scene.update(_with(scene, made, field.name, second), [path]), "INVALID_ARGUMENT")


def _is_map(each: FieldDescriptor) -> bool:
    return each.message_type is not None and bool(each.message_type.GetOptions().map_entry)


@check(36, aip=161, needs=NEEDS)
def output_paths_are_ignored(scene: Scene) -> None:
    """OUTPUT_ONLY fields in a mask are ignored, and no error."""
    fields = [each for each in outputs(scene) if each.name != "etag" and not each.is_repeated]
    if not fields:
        skip(f"{scene.kind.title} has no OUTPUT_ONLY field")
    made = scene.new()
    body = scene.empty(scene.name(made))
    odd = [each for each in fields if set_odd(body, each)]
    found = scene.update(body, [each.name for each in fields])
    expect_code(found, "OK")
    taken = [each.name for each in odd if is_odd(found.response, each)]
    expect(not taken, f"the server took the caller's `{', '.join(taken)}`", found)


@check(36, aip=161, needs=NEEDS)
def paths_go_into_messages(scene: Scene) -> None:
    """A path into a message changes that part alone."""
    for each in changeable(scene):
        inside = each.message_type
        if inside is None or each.is_repeated or inside.full_name.startswith("google.") or _group(each):
            continue
        texts = [one for one in inside.fields if _plain_text(scene, one)]
        others = [one for one in inside.fields if not one.is_repeated and one.message_type is None]
        if not texts or len(others) == 1:
            continue
        made = scene.new()
        if not made.HasField(each.name):
            continue
        body = scene.empty(scene.name(made))
        value = f"verify{scene.world.chance.word(6)}"
        setattr(getattr(body, each.name), texts[0].name, value)
        found = scene.update(body, [f"{each.name}.{texts[0].name}"])
        if "update_mask" not in found.violations and found.violations:
            skip(f"the server has a rule for `{each.name}.{texts[0].name}` that nothing tells of: {found.message}")
        expect_code(found, "OK")
        before, after = getattr(made, each.name), getattr(found.response, each.name)
        expect(getattr(after, texts[0].name) == value, f"`{each.name}.{texts[0].name}` is not what was given", found)
        changed = same(before, after, but=frozenset({texts[0].name}))
        expect(not changed, f"`{each.name}.{changed}` changed, too", found)
        return
    skip(f"{scene.kind.title} has no message with a text and more in it")


def _group(each: FieldDescriptor) -> bool:
    return each.containing_oneof is not None and len(each.containing_oneof.fields) > 1


def _plain_text(scene: Scene, each: FieldDescriptor) -> bool:
    facts = scene.world.annotations.field(each)
    plain = each.type == FieldDescriptor.TYPE_STRING and not each.is_repeated and not _group(each)
    return plain and facts.rules is None and not facts.reference and not facts.behaviours & {"OUTPUT_ONLY", "INPUT_ONLY", "IMMUTABLE"}


@check(36, aip=161, needs=NEEDS)
def empty_fields_are_cleared(scene: Scene) -> None:
    """A field in the mask that is empty is cleared."""
    made = scene.new()
    fields = [each for each in changeable(scene, references=True) if not scene.world.annotations.field(each).required and not _group(each)]
    tried = 0
    for each in fields:
        rules = scene.world.annotations.field(each).rules
        filled = made.HasField(each.name) if each.has_presence else bool(getattr(made, each.name))
        if rules is not None or not filled:
            continue
        found = scene.update(scene.empty(scene.name(made)), [each.name])
        if "update_mask" not in found.violations and found.violations:
            continue  # The server has a rule that nothing tells of.
        tried += 1
        with about(f"`{each.name}` in the mask, and not given"):
            expect_code(found, "OK")
            left = found.response.HasField(each.name) if each.has_presence else bool(getattr(found.response, each.name))
            expect(not left, "it is still there", found)
        if tried == CLEARED_MAX:
            return
    if not tried:
        skip(f"{scene.kind.title} has no field that may be empty")


@check(36, aip=161, must=False, needs=NEEDS)
def keys_are_paths(scene: Scene) -> None:
    """A key of a map in the mask changes that entry alone."""
    for each in changeable(scene):
        if (
            each.message_type is None
            or not _is_map(each)
            or any(each.message_type.fields_by_name[one].type != FieldDescriptor.TYPE_STRING for one in ("key", "value"))
        ):
            continue
        made = scene.new()
        entries = dict(getattr(made, each.name))
        if not entries:
            continue
        key = next(iter(entries))
        other = "k" + key[1:] + "2" if re.fullmatch(r"[a-z0-9]+", key) else ""
        body = scene.empty(scene.name(made))
        getattr(body, each.name)[key] = "verify-new"
        if other:
            getattr(body, each.name)[other] = "not meant"
        found = scene.update(body, [f"{each.name}.{key}"])
        if found.code == "INVALID_ARGUMENT":
            skip(f"keys of maps are not served in masks: {found.message}")
        expect_code(found, "OK")
        expect(dict(getattr(found.response, each.name)) == {**entries, key: "verify-new"}, "other entries changed, too", found)
        return
    skip(f"{scene.kind.title} has no map of texts")


@check(37, aip=161, needs=NEEDS)
def reading_and_writing_back_changes_nothing(scene: Scene) -> None:
    """What was read and is written back with the same mask changes nothing."""
    made = scene.read(scene.name(scene.new()))
    if "etag" in made.DESCRIPTOR.fields_by_name:
        made.ClearField("etag")  # It may change all the same: what is INPUT_ONLY inside of messages was not read.
    hidden = {each.name for each in with_behaviour(scene, "INPUT_ONLY")}
    names = [each.name for each in changeable(scene, references=True) if each.name not in hidden]
    for paths in (names, names[:1]) if names else skip(f"{scene.kind.title} has no field to change"):
        found = scene.update(made, list(paths))
        expect_code(found, "OK")
        changed = same(made, found.response, but=CHANGING | _derived(scene))
        expect(not changed, f"`{changed}` changed", found)


@check(37, aip=161, needs=NEEDS)
def what_was_written_is_read(scene: Scene) -> None:
    """What was written is what is read."""
    made, field, second = _one(scene)
    found = scene.update(_with(scene, made, field.name, second), [field.name])
    expect_code(found, "OK")
    read = scene.get(scene.name(made))
    expect_code(read, "OK")
    other = same(found.response, read.response)
    expect(not other, f"`{other}` is another than in the answer of Update", found, read)


def _etag(scene: Scene) -> None:
    if "etag" not in scene.kind.message.fields_by_name:
        skip(f"{scene.kind.title} has no `etag`")


@check(38, aip=154, needs=NEEDS)
def the_current_etag_lets_through(scene: Scene) -> None:
    """An Update with the current etag is done, and gives another one."""
    _etag(scene)
    made, field, second = _one(scene)
    expect(made.etag, "Create gives no etag", scene.world.caller.latest[-1])
    body = _with(scene, made, field.name, second)
    body.etag = made.etag
    found = scene.update(body, [field.name])
    expect_code(found, "OK")
    expect(found.response.etag != made.etag, "the etag is the same after a change", found)


@check(38, aip=154, needs=NEEDS)
def an_old_etag_is_aborted(scene: Scene) -> None:
    """An Update with an old etag ends with ABORTED, whatever its mask."""
    _etag(scene)
    if "OUTPUT_ONLY" in scene.world.annotations.field(scene.kind.message.fields_by_name["etag"]).behaviours:
        skip("the contract calls `etag` OUTPUT_ONLY: what is sent in it counts for nothing")
    made, field, second = _one(scene)
    expect_code(scene.update(_with(scene, made, field.name, second), [field.name]), "OK")
    body = _with(scene, made, field.name, getattr(made, field.name))
    body.etag = made.etag
    for paths in [[field.name]] if scene.needs_mask else [[field.name], None]:
        expect_code(scene.update(body, paths), "ABORTED")
    expect(getattr(scene.read(scene.name(made)), field.name) == second, "the resource changed", scene.world.caller.latest[-1])


@check(38, aip=154, needs=(Role.CREATE,))
def etags_are_quoted(scene: Scene) -> None:
    """Etags are quoted as RFC 7232 has them."""
    _etag(scene)
    made = scene.new()
    expect(ETAG.fullmatch(made.etag), f"the etag {made.etag!r} is not in quotes", scene.world.caller.latest[-1])


@check(39, aip=134, needs=NEEDS)
def allow_missing_creates(scene: Scene) -> None:
    """With allow_missing an Update creates, with all its fields."""
    field, first, _ = two_values(scene)
    body = _missing(scene)
    setattr(body, field.name, first)
    other = next((each.name for each in scalars_of(scene, *_SCALARS) if each.name != field.name), field.name)
    found = scene.update(body, [field.name], allow_missing=True)
    expect_code(found, "OK")
    expect(scene.name(found.response) == scene.name(body), "it has another name than was given", found)
    for name in (field.name, other):
        expect(getattr(found.response, name) == getattr(body, name), f"`{name}` is not what was given: the mask is to be ignored", found)
    expect(scene.get(scene.name(body)).ok, "it is not there", found)


def _missing(scene: Scene) -> Message:
    """A valid resource with a name that nothing has."""
    scene.request(Role.UPDATE, allow_missing=True)
    if not scene.world.new_id(scene.kind):
        skip("callers give no ids")
    name = scene.absent()
    body = scene.world.body(scene.kind)
    setattr(body, scene.kind.name_field, name)
    return body


@check(39, aip=134, needs=NEEDS)
def allow_missing_checks(scene: Scene) -> None:
    """With allow_missing what an Update creates is checked."""
    fields = required(scene) or skip(f"{scene.kind.title} has no REQUIRED field to leave out")
    body = _missing(scene)
    body.ClearField(fields[0].name)
    expect_code(scene.update(body, None, allow_missing=True), "INVALID_ARGUMENT")


@check(39, aip=134, needs=NEEDS)
def allow_missing_leaves_alone(scene: Scene) -> None:
    """With allow_missing an Update of what is there and the same changes nothing."""
    scene.request(Role.UPDATE, allow_missing=True)
    made, field, _ = _one(scene)
    found = scene.update(_with(scene, made, field.name, getattr(made, field.name)), [field.name], allow_missing=True)
    expect_code(found, "OK")
    changed = same(made, found.response, but=frozenset({"update_time", "etag"}))
    expect(not changed, f"`{changed}` changed", found)


@check(39, aip=134, needs=NEEDS)
def missing_is_not_found(scene: Scene) -> None:
    """Without allow_missing an Update of what is not there ends with NOT_FOUND."""
    field, first, _ = two_values(scene)
    body = scene.empty(scene.absent())
    setattr(body, field.name, first)
    expect_code(scene.update(body, [field.name]), "NOT_FOUND")


@check(40, aip=148, needs=NEEDS)
def update_time_moves(scene: Scene) -> None:
    """Update_time moves with a change, create_time does not."""
    if "update_time" not in scene.kind.message.fields_by_name:
        skip(f"{scene.kind.title} has no `update_time`")
    made, field, second = _one(scene)
    found = scene.update(_with(scene, made, field.name, second), [field.name])
    expect_code(found, "OK")
    if _nanos(found.response) == _nanos(made):
        clock.sleep(CLOCK_SECONDS)
        found = scene.update(_with(scene, made, field.name, getattr(made, field.name)), [field.name])
        expect_code(found, "OK")
    expect(_nanos(found.response) > _nanos(made), "update_time did not move", found)
    if "create_time" in scene.kind.message.fields_by_name:
        expect(found.response.create_time == made.create_time, "create_time moved", found)


def _nanos(message: Message) -> int:
    return int(message.update_time.seconds * 1_000_000_000 + message.update_time.nanos)


@check(40, aip=216, must=False, needs=NEEDS)
def states_are_not_written(scene: Scene) -> None:
    """A state is not written by an Update."""
    state = scene.kind.message.fields_by_name.get("state")
    if state is None or state.cpp_type != FieldDescriptor.CPPTYPE_ENUM:
        skip(f"{scene.kind.title} has no `state`")
    assert state.enum_type is not None
    made = scene.new()
    for value in state.enum_type.values:
        if value.number not in {0, made.state}:
            found = scene.update(_with(scene, made, "state", value.number), ["state"])
            refused = found.code == "INVALID_ARGUMENT"
            expect(refused or (found.ok and found.response.state == made.state), f"the caller made it {value.name}", found)
            return
    skip("there is no other state")

"""Create: 34 (AIP-133)."""

from __future__ import annotations

from protoplane.verify.check import Scene, check
from protoplane.verify.fields import changeable, with_behaviour
from protoplane.verify.resources import Role
from protoplane.verify.verdict import NotApplicable, expect, expect_code, skip, wrong

BROKEN = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})


@check(34, aip=133, needs=(Role.CREATE,))
def create_gives_the_resource(scene: Scene) -> None:
    """Create answers with the resource: what was given, under the id that was given."""
    try:
        scene.world.usable(scene.kind)
    except NotApplicable:
        broken = [error for error in scene.world.caller.errors if error.code in BROKEN and error.method is scene.kind.methods[Role.CREATE]]
        if broken:
            wrong(f"Create is answered with {broken[-1].code}", broken[-1])
        raise
    own_id = scene.world.new_id(scene.kind)
    found = scene.try_new(own_id=own_id) if own_id else scene.try_new()
    expect_code(found, "OK")
    if own_id:
        expect(scene.name(found.response).endswith(f"/{own_id}"), f"the id is not {own_id!r}, which was given", found)
    hidden = {each.name for each in with_behaviour(scene, "INPUT_ONLY")}
    slot = next(each.name for each in found.request.DESCRIPTOR.fields if each.message_type is scene.kind.message)
    given = getattr(found.request, slot)
    for each in changeable(scene):
        plain = each.message_type is None and not each.is_repeated and each.name not in hidden
        if plain and getattr(given, each.name) != each.default_value:
            expect(
                getattr(found.response, each.name) == getattr(given, each.name) or each.cpp_type == each.CPPTYPE_FLOAT,
                f"`{each.name}` is not what was given",
                found,
            )


@check(34, aip=133, needs=(Role.CREATE, Role.GET))
def writes_are_read_at_once(scene: Scene) -> None:
    """What was created can be read at once."""
    for _ in range(3):
        expect_code(scene.get(scene.name(scene.new())), "OK")


@check(34, aip=133, needs=(Role.CREATE,))
def duplicates_are_told(scene: Scene) -> None:
    """A second Create with the same id ends with ALREADY_EXISTS."""
    scene.world.usable(scene.kind)
    if not scene.world.new_id(scene.kind):
        skip("callers give no ids")
    made = scene.new()
    found = scene.try_new(own_id=scene.name(made).rpartition("/")[2])
    expect_code(found, "ALREADY_EXISTS")


@check(34, aip=133, needs=(Role.CREATE,))
def parents_must_be_there(scene: Scene) -> None:
    """A Create below a parent that is not there ends with NOT_FOUND."""
    known = [scene.world.kinds[parent] for parent in scene.kind.parents if parent in scene.world.kinds]
    if not known or known[0].singleton or not scene.kind.has(Role.CREATE, "parent"):
        skip(f"{scene.kind.title} has no parent that could be missing")
    expect_code(scene.try_new(parent=scene.world.absent(known[0])), "NOT_FOUND")

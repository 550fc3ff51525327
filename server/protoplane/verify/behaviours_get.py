"""Get: 17 and 18 (AIP-131, 164)."""

from __future__ import annotations

from protoplane.verify.check import Scene, check
from protoplane.verify.fields import same, with_behaviour
from protoplane.verify.resources import Role
from protoplane.verify.verdict import expect, expect_code, skip


@check(17, aip=131, needs=(Role.CREATE, Role.GET))
def get_reads_what_was_made(scene: Scene) -> None:
    """Get answers with the resource as Create did."""
    made = scene.new()
    found = scene.get(scene.name(made))
    expect_code(found, "OK")
    hidden = frozenset(each.name for each in with_behaviour(scene, "INPUT_ONLY"))
    other = same(made, found.response, but=hidden)
    expect(not other, f"`{other}` is another than in the answer of Create", *scene.world.caller.latest[-2:])


@check(17, aip=131, needs=(Role.GET,), writes=False)
def missing_is_not_found(scene: Scene) -> None:
    """Get of what is not there ends with NOT_FOUND."""
    expect_code(scene.get(scene.absent()), "NOT_FOUND")


@check(17, aip=131, needs=(Role.GET, Role.LIST), writes=False)
def get_reads_what_is_listed(scene: Scene) -> None:
    """Get reads what List shows."""
    name = scene.world.existing(scene.kind) or skip("the list is empty")
    found = scene.get(name)
    expect_code(found, "OK")
    expect(scene.name(found.response) == name, f"Get of {name!r} answers with {scene.name(found.response)!r}", found)


@check(17, aip=131, needs=(Role.GET,), writes=False)
def get_needs_the_name_alone(scene: Scene) -> None:
    """A Get needs nothing but the name."""
    fields = scene.kind.methods[Role.GET].input_type.fields
    more = [each.name for each in fields if each.name != "name" and "REQUIRED" in scene.world.annotations.field(each).behaviours]
    expect(not more, f"{', '.join(more)} of its request is REQUIRED, too")


@check(18, aip=164, must=False, needs=(Role.CREATE, Role.GET, Role.DELETE))
def get_reads_what_is_soft_deleted(scene: Scene) -> None:
    """Get of a soft-deleted resource answers with it."""
    if not scene.kind.soft:
        skip(f"{scene.kind.title} is not soft-deleted")
    name = scene.name(scene.new())
    expect_code(scene.delete(name), "OK")
    expect_code(scene.get(name), "OK")

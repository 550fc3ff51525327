"""What holds for calls of any kind: 13 to 16 (AIP-155, 163, 194)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from protoplane.verify.check import Scene, check
from protoplane.verify.exchange import Exchange
from protoplane.verify.fields import required, two_values
from protoplane.verify.resources import Role
from protoplane.verify.verdict import NotApplicable, expect, expect_code, skip
from protoplane.verify.world import clearing, setting

CALLERS: Final = 8
CUT_SECONDS: Final = 0.004
"""Deadline of a call that is to be cut off in its middle."""
CUT_ROWS: Final = 30


@check(13, aip=163, needs=(Role.CREATE, Role.GET))
def rehearsed_create(scene: Scene) -> None:
    """A Create with validate_only creates nothing and answers as a real one."""
    if not scene.kind.has(Role.CREATE, "validate_only"):
        skip(f"{scene.kind.method_name(Role.CREATE)}Request has no `validate_only`")
    scene.world.usable(scene.kind)
    own_id = scene.world.new_id(scene.kind) or skip("callers give no ids: what was made could not be looked for")
    found = scene.try_new(own_id=own_id, validate_only=True)
    expect_code(found, "OK")
    real = scene.try_new(own_id=own_id)
    expect(real.code != "ALREADY_EXISTS", "the rehearsal created the resource", found, real)
    expect_code(real, "OK")


@check(13, aip=163, needs=(Role.CREATE,))
def rehearsals_fail_alike(scene: Scene) -> None:
    """A rehearsal fails as the real call would."""
    if not scene.kind.has(Role.CREATE, "validate_only"):
        skip(f"{scene.kind.method_name(Role.CREATE)}Request has no `validate_only`")
    fields = required(scene) or skip(f"{scene.kind.title} has no REQUIRED field to leave out")
    real = scene.try_new(clearing(fields[0].name))
    rehearsed = scene.try_new(clearing(fields[0].name), validate_only=True)
    expect(rehearsed.code == real.code, f"the real call ends with {real.code}, the rehearsal with {rehearsed.code}", real, rehearsed)


@check(13, aip=163, needs=(Role.CREATE, Role.GET, Role.UPDATE))
def rehearsed_update(scene: Scene) -> None:
    """An Update with validate_only changes nothing."""
    if not scene.kind.has(Role.UPDATE, "validate_only"):
        skip(f"{scene.kind.method_name(Role.UPDATE)}Request has no `validate_only`")
    field, first, second = two_values(scene)
    made = scene.new(setting(field.name, first))
    body = scene.empty(scene.name(made))
    setattr(body, field.name, second)
    found = scene.update(body, [field.name], validate_only=True)
    expect_code(found, "OK")
    expect(getattr(scene.read(scene.name(made)), field.name) == first, "the rehearsal changed the resource", found)


@check(13, aip=163, needs=(Role.CREATE, Role.GET, Role.DELETE))
def rehearsed_delete(scene: Scene) -> None:
    """A Delete with validate_only deletes nothing."""
    if not scene.kind.has(Role.DELETE, "validate_only"):
        skip(f"{scene.kind.method_name(Role.DELETE)}Request has no `validate_only`")
    name = scene.name(scene.new())
    found = scene.delete(name, validate_only=True)
    expect_code(found, "OK")
    expect(scene.get(name).ok, "the rehearsal deleted the resource", found)


@check(14, aip=155, needs=(Role.CREATE,))
def one_request_id_one_effect(scene: Scene) -> None:
    """One request_id makes one resource, and the first answer comes again."""
    if not scene.kind.has(Role.CREATE, "request_id"):
        skip(f"{scene.kind.method_name(Role.CREATE)}Request has no `request_id`")
    scene.world.usable(scene.kind)
    request = scene.world.creation(scene.kind, scene.world.body(scene.kind), request_id=scene.world.chance.uuid4())
    first, second = scene.ok(Role.CREATE, request), scene.call(Role.CREATE, request)
    expect_code(second, "OK")
    expect(scene.name(second.response) == scene.name(first.response), "the second call made another resource", first, second)


@check(14, aip=155, needs=(Role.CREATE, Role.DELETE))
def one_request_id_one_delete(scene: Scene) -> None:
    """A Delete that is repeated with its request_id goes well."""
    if not scene.kind.has(Role.DELETE, "request_id"):
        skip(f"{scene.kind.method_name(Role.DELETE)}Request has no `request_id`")
    name, request_id = scene.name(scene.new()), scene.world.chance.uuid4()
    expect_code(scene.delete(name, request_id=request_id), "OK")
    expect_code(scene.delete(name, request_id=request_id), "OK")


@check(14, aip=155, must=False, needs=(Role.CREATE,))
def request_ids_are_uuids(scene: Scene) -> None:
    """A request_id that is no UUID is refused with INVALID_ARGUMENT."""
    if not scene.kind.has(Role.CREATE, "request_id"):
        skip(f"{scene.kind.method_name(Role.CREATE)}Request has no `request_id`")
    field = scene.kind.methods[Role.CREATE].input_type.fields_by_name["request_id"]
    if scene.world.annotations.field(field).format != "uuid":
        skip("the request_id is not annotated as a UUID")
    expect_code(scene.try_new(request_id="verify"), "INVALID_ARGUMENT")


@check(15, aip=194, must=False, needs=(Role.CREATE, Role.UPDATE))
def collisions_are_aborted(scene: Scene) -> None:
    """Of many who update one resource at once, each is answered, or told ABORTED."""
    field, first, second = two_values(scene)
    name = scene.name(scene.new())

    def update(turn: int) -> Exchange | None:
        body = scene.empty(name)
        setattr(body, field.name, second if turn % 2 else first)
        try:
            return scene.update(body, [field.name])
        except NotApplicable:
            return None  # The server has too much to do, which it may say.

    with ThreadPoolExecutor(CALLERS) as pool:
        for found in pool.map(update, range(2 * CALLERS)):
            if found is not None:
                expect_code(found, "OK", "ABORTED")


@check(16, aip=194, needs=(Role.BATCH_CREATE, Role.CREATE, Role.GET, Role.DELETE))
def a_cut_batch_is_whole(scene: Scene) -> None:
    """A batch that is cut off by its deadline is done whole or not at all."""
    kind, world = scene.kind, scene.world
    world.usable(kind)
    if not world.new_id(kind):
        skip("callers give no ids: what was made could not be looked for")
    requests = [world.creation(kind, world.body(kind)) for _ in range(CUT_ROWS)]
    request = scene.request(Role.BATCH_CREATE, requests=requests)
    if kind.has(Role.BATCH_CREATE, "parent"):
        request.parent = world.parent(kind)
    names = [world.intended(kind, each) for each in requests]
    for name in names:
        world.made.add(kind, name, unsure=True)
    found = world.call(kind, Role.BATCH_CREATE, request, seconds=CUT_SECONDS)
    there = _settled(scene, names)
    expect(there in {0, len(names)}, f"{there} of {len(names)} resources are there after a batch that was cut off", found)


def _settled(scene: Scene, names: list[str]) -> int:
    """How many are there, once two looks in a row see the same: the server may still be at it."""
    seen: Any = None
    for _ in range(20):
        now = sum(scene.get(name).ok for name in names)
        if now == seen:
            break
        seen = now
    return int(seen)

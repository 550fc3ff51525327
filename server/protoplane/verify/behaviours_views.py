"""Parts of resources, and singletons: 51 and 52 (AIP-156, 157)."""

from __future__ import annotations

from google.protobuf.descriptor import FieldDescriptor

from protoplane.verify.check import Scene, check
from protoplane.verify.resources import Role
from protoplane.verify.verdict import expect, expect_code, skip

HEADER = "x-goog-fieldmask"


def _some(scene: Scene) -> str:
    """A resource to read: of ours, or any."""
    if scene.world.permits.read_only or not scene.kind.has(Role.CREATE):
        return scene.world.existing(scene.kind) or skip("there is nothing to read")
    return scene.name(scene.new())


def _filled(message: object) -> set[str]:
    assert hasattr(message, "ListFields")
    return {each.name for each, _ in message.ListFields()}


@check(51, aip=157, needs=(Role.GET,), writes=False)
def read_masks_narrow(scene: Scene) -> None:
    """A read_mask narrows what Get answers; * is all."""
    if not scene.kind.has(Role.GET, "read_mask"):
        skip(f"{scene.kind.method_name(Role.GET)}Request has no `read_mask`")
    name = _some(scene)
    whole = scene.read(name)
    field = next((one for one in sorted(_filled(whole)) if one != scene.kind.name_field), scene.kind.name_field)
    for paths, wanted in (([field], {field}), (["*"], _filled(whole))):
        request = scene.request(Role.GET, name=name)
        request.read_mask.paths.extend(paths)
        found = scene.call(Role.GET, request)
        expect_code(found, "OK")
        expect(
            _filled(found.response) - {scene.kind.name_field} == wanted - {scene.kind.name_field},
            f"with the mask {paths} others come",
            found,
        )


@check(51, aip=157, needs=(Role.GET,), writes=False)
def side_masks_narrow(scene: Scene) -> None:
    """A mask in the side channel narrows what Get answers."""
    name = _some(scene)
    whole = scene.read(name)
    field = next((one for one in sorted(_filled(whole)) if one != scene.kind.name_field), scene.kind.name_field)
    found = scene.world.call(scene.kind, Role.GET, scene.request(Role.GET, name=name), headers=((HEADER, field),))
    if found.ok and _filled(found.response) == _filled(whole):
        skip(f"{HEADER} is not served")
    expect_code(found, "OK")
    expect(
        _filled(found.response) - {scene.kind.name_field} == {field} - {scene.kind.name_field}, f"with the mask {field} others come", found
    )
    found = scene.world.call(scene.kind, Role.GET, scene.request(Role.GET, name=name), headers=((HEADER, "*"),))
    expect_code(found, "OK")
    expect(_filled(found.response) == _filled(whole), "with the mask * not all comes", found)


@check(51, aip=157, needs=(Role.GET,), writes=False)
def views_are_parts(scene: Scene) -> None:
    """The first view is UNSPECIFIED and can be asked for; BASIC is a part of FULL."""
    if not scene.kind.has(Role.GET, "view"):
        skip(f"{scene.kind.method_name(Role.GET)}Request has no `view`")
    field = scene.kind.methods[Role.GET].input_type.fields_by_name["view"]
    if field.cpp_type != FieldDescriptor.CPPTYPE_ENUM:
        skip("`view` is no enum")
    assert field.enum_type is not None
    expect(field.enum_type.values_by_number[0].name.endswith("UNSPECIFIED"), "the first view is not UNSPECIFIED")
    name = _some(scene)
    views = {value.name.rpartition("_")[2]: value.number for value in field.enum_type.values}
    seen: dict[str, set[str]] = {}
    for view, number in views.items():
        found = scene.call(Role.GET, name=name, view=number)
        expect_code(found, "OK")
        seen[view] = _filled(found.response)
    if {"BASIC", "FULL"} <= seen.keys():
        expect(seen["BASIC"] <= seen["FULL"], "BASIC has fields that FULL has not", scene.world.caller.latest[-1])


@check(52, aip=156, writes=False)
def singletons_come_with_their_parents(scene: Scene) -> None:
    """A singleton has no Create, no Delete, and is there with its parent."""
    if not scene.kind.singleton:
        skip(f"{scene.kind.title} is no singleton")
    for role in (Role.CREATE, Role.DELETE):
        expect(role not in scene.kind.methods, f"there is a {scene.kind.method_name(role)}")
    parent = scene.world.parent(scene.kind)
    if scene.kind.has(Role.GET):
        expect_code(scene.get("/".join(filter(None, (parent, scene.kind.pattern.rpartition("/")[2])))), "OK")

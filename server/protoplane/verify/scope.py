"""Rows of ours in a list, apart from all that others have there: below a parent of our own, or in a small collection, or by a filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from protoplane.verify.check import MANY, Scene
from protoplane.verify.exchange import Exchange, Message
from protoplane.verify.fields import free_text
from protoplane.verify.resources import Role
from protoplane.verify.verdict import expect, skip
from protoplane.verify.world import Change, clearing, setting

ROWS: Final = 6
FOREIGN_ROWS_MAX: Final = 200
"""Rows of others in a collection that can still be walked through in small pages."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where our rows are."""

    scene: Scene
    arguments: Mapping[str, Any]
    names: tuple[str, ...]
    exact: bool
    """Nobody else's rows are there."""
    mark: Change | None = None
    """What a further row needs to be there."""

    def own(self, exchange: Exchange) -> list[str]:
        """Names of our rows on a page, in its order."""
        known = set(self.names)
        return [name for name in self.scene.rows(exchange) if name in known]

    def add(self, change: Change | None = None, **fields: Any) -> Message:
        """One more row."""

        def both(body: Message) -> None:
            for each in (self.mark, change):
                if each is not None:
                    each(body)

        parent = self.arguments.get("parent")
        return self.scene.new(both if self.mark or change else None, **({"parent": parent} if parent else {}), **fields)

    def every(self, size: int, **arguments: Any) -> list[str]:
        """Our rows as a walk through all pages gives them."""
        return [name for page in self.scene.walk(lambda _: size, **self.arguments, **arguments) for name in self.own(page)]

    def size(self) -> int:
        """Rows of a page that make at least three pages and not too many."""
        if self.exact:
            return 2
        count = sum(len(self.scene.rows(page)) for page in self.scene.walk(lambda _: MANY, **self.arguments))
        return max(2, count // 60)


Values = Callable[[int], Change | None]
"""The n-th row → what makes it different."""


def each_with(name: str, values: Sequence[Any]) -> Values:
    """Every row has its own value in a field."""
    return lambda i: setting(name, values[i])


def every_other_without(name: str) -> Values:
    """The second, the fourth, … row has nothing in a field."""
    return lambda i: clearing(name) if i % 2 else None


def scope_of(scene: Scene, rows: int = ROWS, values: Values | None = None) -> Scope:
    """Make rows. NotApplicable where they cannot be told from those of others."""
    if not scene.kind.rows_field(Role.LIST):
        skip(f"there is no {scene.kind.method_name(Role.LIST)}")
    scene.request(Role.LIST, page_size=1, page_token="")  # Nothing here works without them.
    below = scene.kind.has(Role.LIST, "parent")
    if below and scene.world.makes_parents(scene.kind) and not scene.needs_filter:
        return _filled(Scope(scene, {"parent": scene.world.new_parent(scene.kind)}, (), exact=True), rows, values)
    place = {"parent": scene.world.parent(scene.kind)} if below else {}
    if not scene.needs_filter and _is_small(scene, place):
        return _filled(Scope(scene, place, (), exact=False), rows, values)
    return _by_filter(scene, place, rows, values)


def _is_small(scene: Scene, place: Mapping[str, Any]) -> bool:
    count = 0
    for page in scene.walk(lambda _: MANY, **place):
        count += len(scene.rows(page))
        if count > FOREIGN_ROWS_MAX:
            return False
    return True


def _filled(scope: Scope, rows: int, values: Values | None) -> Scope:
    made = [scope.add(values(i) if values else None) for i in range(rows)]
    return Scope(scope.scene, scope.arguments, tuple(map(scope.scene.name, made)), scope.exact, scope.mark)


def _by_filter(scene: Scene, place: Mapping[str, Any], rows: int, values: Values | None) -> Scope:
    """A filter on a text that only our rows have."""
    field = free_text(scene)
    word = f"verify {scene.world.chance.word(12)}"
    arguments = {**place, "filter": f'{field.name} = "{word}"'}
    scope = _filled(Scope(scene, arguments, (), exact=True, mark=setting(field.name, word)), rows, values)
    found = scene.some(MANY, **scope.arguments)
    if not found.ok or set(scene.rows(found)) != set(scope.names):
        skip(f"{scene.kind.method_name(Role.LIST)} has too many rows of others, and no filter on `{field.name}` tells them apart")
    return scope


def each_once(scope: Scope, found: list[str], what: str, *, but: frozenset[str] = frozenset()) -> None:
    """Every row of ours came exactly once, whatever came of those in `but`."""
    wanted = [name for name in scope.names if name not in but]
    lost = [name for name in wanted if name not in found]
    twice = [name for name in wanted if found.count(name) > 1]
    latest = tuple(scope.scene.world.caller.latest[-3:])
    expect(not lost, f"{what}: every row comes once; {', '.join(lost)} did not come", *latest)
    expect(not twice, f"{what}: every row comes once; {', '.join(twice)} came again", *latest)

"""What the name of an object says of it, row or none: the objects and subjects that its id begins with.

It is said of what is asked about alone, and of what that leads to by names. An object that a tuple or a column names, and that has no
row, is below nothing: a list, which is found from above, and a check would otherwise differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from protoplane.store.sources import Sources
from protoplane.store.tuples import Direct, Link, Node


@dataclass(frozen=True, slots=True)
class Step:
    """From a root, whose ids have `places` parts, to the first `levels` of them: at a node, or (None) as the subject itself."""

    root: int
    places: int
    levels: int
    target: int | None
    within: Node
    """The node that the last of the names is of."""
    last: Direct | Link


def steps(roots: Iterable[Node], graph: tuple[Node, ...], sources: Sources, *, usersets: bool) -> list[Step]:
    """All that names say of the roots; what lies behind usersets too, or only the usersets."""
    return [step for root in roots for step in _of(root, graph, sources, usersets=usersets)]


def _of(root: Node, graph: tuple[Node, ...], sources: Sources, *, usersets: bool) -> list[Step]:
    found: dict[Step, None] = {}
    places = 0
    ahead = [(root, 0)]
    seen = set(ahead)
    while ahead:
        node, levels = ahead.pop(0)
        every: tuple[Direct | Link, ...] = (*node.directs, *node.links)
        for said in every:
            derived = sources.named(node.type, said.relation)
            if derived is None or (levels and len(derived.key) != levels):
                continue
            places = places or len(derived.key)
            target = said.target if isinstance(said, Link) else None
            found[Step(root.number, places, derived.levels, target, node, said)] = None
            if isinstance(said, Link) and (usersets or not said.subject_relation):
                place = (graph[said.target], derived.levels)
                if place not in seen:
                    seen.add(place)
                    ahead.append(place)
    return list(found)

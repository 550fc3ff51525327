"""A message's fields, visited by closures made once over exactly the fields that matter.

A message type in which no field matters, at any depth, compiles to nothing. Types that contain themselves are followed as deep as
the message at hand goes (the parser bounds that at 100 levels).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from operator import attrgetter
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from protoplane.base.errors import Violation
from protoplane.contract.model import Field, Kind, Label

Step: TypeAlias = Callable[[Message, str, list[Violation]], None]
"""Looks at one message whose path in the request is the text given (`""`, `"book."`), adds what it finds to the list."""

Leaf: TypeAlias = Callable[[Field, Descriptor], Step | None]
"""Makes the step of one field of a message; None when there is nothing to do for it."""


def compile_walk(
    message: Descriptor,
    fields: Sequence[Field],
    leaf: Leaf,
    *,
    skipped: Collection[str] = (),
    shallow: Collection[str] = (),
) -> Step | None:
    """One step that does everything `leaf` asks for in a message and the messages inside it; None when that is nothing.

    `fields` are those of `message`. Of its own fields, `skipped` ones are not looked at, `shallow` ones not entered.
    """
    root = _Node()
    root.build(message, [field for field in fields if field.name not in skipped], leaf, {message.full_name: root})
    root.edges = [(field, node) for field, node in root.edges if field.name not in shallow]
    _prune(root)
    return _visit(root, {}) if root.live else None


class _Node:
    """A message type at one place: what to do with its fields, and which of them to enter."""

    __slots__ = ("edges", "leaves", "live")

    def __init__(self) -> None:
        self.leaves: list[Step] = []
        self.edges: list[tuple[Field, _Node]] = []
        self.live = False

    def build(self, message: Descriptor, fields: Sequence[Field], leaf: Leaf, above: dict[str, _Node]) -> None:
        """`above` are the nodes of this message and of those around it, by the full name of their type."""
        for field in fields:
            step = leaf(field, message)
            if step is not None:
                self.leaves.append(step)
            if field.message is None:
                continue
            if field.kind is Kind.MESSAGE:
                node = _Node()
                node.build(field.message, field.fields, leaf, {**above, field.message.full_name: node})
                self.edges.append((field, node))
            elif field.message.full_name in above:
                self.edges.append((field, above[field.message.full_name]))


def _prune(root: _Node) -> None:
    """Mark what leads to a leaf as live; nodes may lead back to those above them, so until nothing changes."""
    nodes: dict[int, _Node] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) not in nodes:
            nodes[id(node)] = node
            waiting += [child for _, child in node.edges]
    changed = True
    while changed:
        changed = False
        for node in nodes.values():
            if not node.live and (node.leaves or any(child.live for _, child in node.edges)):
                node.live = changed = True


def _visit(node: _Node, done: dict[int, Step]) -> Step:
    if id(node) in done:
        return done[id(node)]
    steps: list[Step] = list(node.leaves)

    def visit(message: Message, prefix: str, found: list[Violation]) -> None:
        for step in steps:
            step(message, prefix, found)

    done[id(node)] = visit
    steps += [_enter(field, _visit(child, done)) for field, child in node.edges if child.live]
    return visit


def _enter(field: Field, step: Step) -> Step:
    """Run a step on the message or messages that a field holds."""
    name, read = field.name, attrgetter(field.name)

    def one(message: Message, prefix: str, found: list[Violation]) -> None:
        if message.HasField(name):
            step(read(message), f"{prefix}{name}.", found)

    def each(message: Message, prefix: str, found: list[Violation]) -> None:
        for index, item in enumerate(read(message)):
            step(item, f"{prefix}{name}[{index}].", found)

    def each_value(message: Message, prefix: str, found: list[Violation]) -> None:
        for key, item in read(message).items():
            step(item, f"{prefix}{name}[{map_key(key)}].", found)

    return {Label.SINGULAR: one, Label.REPEATED: each, Label.MAP: each_value}[field.label]


def map_key(key: object) -> str:
    """A map key as it stands in the path of a violation: `"smith"`, `7`, `true`."""
    match key:
        case bool():
            return "true" if key else "false"
        case int():
            return str(key)
        case _:
            return f'"{key}"'

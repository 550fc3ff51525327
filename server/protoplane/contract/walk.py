"""A message's fields, visited by code generated once over exactly the fields that matter.

A message type in which no field matters, at any depth, compiles to nothing. Types that contain themselves are followed as deep as
the message at hand goes (the parser bounds that at 100 levels).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from protoplane.base.errors import Violation
from protoplane.base.generated import Source, attribute
from protoplane.contract.model import Field, Kind, Label

Step: TypeAlias = Callable[[Message, str, list[Violation]], None]
"""Looks at one message whose path in the request is the text given (`""`, `"book."`), adds what it finds to the list."""


@dataclass(frozen=True, slots=True)
class Inline:
    """A step that is a line of code over the message `m`, its `prefix` and the list `found`."""

    write: Callable[[Source], str]


Leaf: TypeAlias = Callable[[Field, Descriptor], Step | Inline | None]
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
        self.leaves: list[Step | Inline] = []
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

    def again(message: Message, prefix: str, found: list[Violation]) -> None:
        done[id(node)](message, prefix, found)  # A message that contains itself: what visits it is being made.

    done[id(node)] = again
    source = Source("walk")
    source.add(0, "def visit(m, prefix, found):")
    for leaf in node.leaves:
        source.add(1, leaf.write(source) if isinstance(leaf, Inline) else f"{source.bind(leaf)}(m, prefix, found)")
    for field, child in node.edges:
        if child.live:
            _enter(source, field, source.bind(_visit(child, done)))
    done[id(node)] = source.compile("visit")
    return done[id(node)]


def _enter(source: Source, field: Field, step: str) -> None:
    """Run a step on the message or messages that a field holds."""
    value = attribute("m", field.name)
    match field.label:
        case Label.SINGULAR:
            source.add(1, f"if m.HasField({field.name!r}): {step}({value}, prefix + {f'{field.name}.'!r}, found)")
        case Label.REPEATED:
            source.add(1, f"for i, one in enumerate({value}): {step}(one, f'{{prefix}}{field.name}[{{i}}].', found)")
        case Label.MAP:
            source.add(1, f"for k, one in {value}.items(): {step}(one, f'{{prefix}}{field.name}[{{{source.bind(map_key)}(k)}}].', found)")


def map_key(key: object) -> str:
    """A map key as it stands in the path of a violation: `"smith"`, `7`, `true`."""
    match key:
        case bool():
            return "true" if key else "false"
        case int():
            return str(key)
        case _:
            return f'"{key}"'

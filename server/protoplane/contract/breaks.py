"""Every kind of change that breaks clients: what it is called, why they break, how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protoplane.contract.model import Place

KEEP = "keep it; mark it deprecated, and add what is new beside it"
LOOSEN = "leave it to the service to decide, or ask for it in a new version of the package"

RULES: Mapping[str, tuple[str, str]] = {
    "access-stricter": (
        "callers who may call it now are refused",
        "give the new permission or relation first to all who call, in a new method or a new version",
    ),
    "behavior-identifier": ("clients no longer know which field the name of the resource is", "mark `name` IDENTIFIER again"),
    "behavior-immutable": ("updates of the field that work now are refused", LOOSEN),
    "behavior-input-only": ("clients that read the field find it empty", "add another field to write to"),
    "behavior-output-only": ("what clients send in the field is silently dropped", "add another field for what the service says"),
    "behavior-required": (
        "requests without the field are refused, and today's clients do not send it",
        "make it optional, with a meaning when it is absent",
    ),
    "default-changed": ("clients take an unset field for something else than the service does", "keep the default; add another field"),
    "enum-value-removed": ("clients that send or expect it fail, in code and in JSON", KEEP),
    "field-json-name": ("clients that speak JSON do not find the field", "keep the old name in JSON: [json_name = …]"),
    "field-not-queryable": ("filters and orders by the field are refused", "put what is secret into another field"),
    "field-number": ("the field is another one on the wire: what is sent is lost", "give it its old number again"),
    "field-oneof": (
        "code that is generated for it changes, and setting one member clears others",
        "leave it where it is; add new fields to the oneof",
    ),
    "field-presence": ("code that is generated for it changes, and unset means something else", "leave `optional` as it was"),
    "field-read-stricter": (
        "callers who have not the relation find the field empty, and filters and orders by it are refused for everybody",
        "put what is not for everybody into another field",
    ),
    "field-removed": ("what clients send is dropped, and what they read is empty; their code does not compile any more", KEEP),
    "field-renamed": ("code, JSON, filters and masks of clients name it by its old name", KEEP),
    "field-type": ("clients cannot read what is sent, or their code does not compile any more", "add another field of the new type"),
    "field-write-stricter": (
        "callers who have not the relation are refused when they change the field",
        "give the relation first to all who change it now",
    ),
    "id-stricter": ("ids that clients choose now are refused", "take what was taken before, too"),
    "idempotency-lost": ("clients repeat the call after a lost connection, because it said that they may", "keep idempotency_level"),
    "message-removed": ("code of clients that use it does not compile any more", KEEP),
    "method-removed": ("clients that call it get UNIMPLEMENTED", KEEP),
    "method-type": ("clients send or expect another message", "add another method"),
    "operation-type": ("clients cannot read the result or the progress of operations", "add another method"),
    "pagination-added": ("clients take the first page for everything", "keep the method as it is, and add one with pages (AIP-158)"),
    "pattern-added": (
        "the references to it are stored in another way, and filters and expansions through them are refused",
        "keep one pattern, or add a resource of another type",
    ),
    "pattern-order": ("the first pattern has the table that was there before the others", "put it first again"),
    "reference-changed": ("names that are taken now are refused, or mean something else", "add another field"),
    "relation-removed": (
        "clients that ask for the relation, give it or take it away are refused, and its tuples count for nothing",
        "keep it, computed from what takes its place",
    ),
    "resource-pattern": ("names that clients have kept do not work any more", "keep the old pattern"),
    "resource-type": ("references, IAM policies and clients name the type", "keep the old type"),
    "rule-stricter": ("values that are taken now are refused", LOOSEN),
    "unique-added": (
        "writes that work now are refused as duplicates, and the index cannot be made where there are some",
        "check it in the service, or in a new version",
    ),
}
"""Every kind of break: why clients break, and how to mend it. The names are stable."""


@dataclass(frozen=True, slots=True)
class Break:
    """One change that breaks clients."""

    place: Place
    """In the new edition; of what is gone, in the old one."""
    rule: str
    problem: str
    gone: bool = False
    """Whether the place is in the old edition."""

    @property
    def why(self) -> str:
        """Why clients break."""
        return RULES[self.rule][0]

    @property
    def mend(self) -> str:
        """What to do instead."""
        return RULES[self.rule][1]

    @property
    def text(self) -> str:
        """What it is, wherever it stands."""
        return f"{self.problem} [{self.rule}]"

    def __str__(self) -> str:
        where = f"{self.place} (before)" if self.gone else str(self.place)
        return f"{where}: {self.text}\n    why: {self.why}\n    mend: {self.mend}"

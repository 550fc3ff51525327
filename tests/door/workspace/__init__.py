"""The workspace: a contract whose rules ask for relations, of every form there is.

Its file has what is its own; the rest is what `protoplane scaffold` writes, with these rules in place of its permissions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from google.protobuf.any_pb2 import Any as Any_

from protoplane.cli.noun import FURTHER, METHODS
from protoplane.cli.scaffold import Wish
from tests.door.client import Door
from tests.door.service import Contract, Service, token_of

ALL = (*METHODS, *FURTHER)
WISHES = (Wish("Organisation", methods=ALL), Wish("Group", methods=ALL), Wish("Folder", methods=ALL), Wish("Document", methods=ALL))

RULES = {
    "organisations.create": "authenticated = true",
    "organisations.get": 'check = "member"',
    "organisations.list": 'scope = "member"',
    "organisations.aggregate": 'scope = "member"',
    "organisations.update": 'check = "admin"',
    "organisations.delete": 'check = "admin"',
    "groups.create": "authenticated = true",
    "groups.get": 'check = "member"',
    "groups.list": 'scope = "member"',
    "groups.aggregate": 'scope = "member"',
    "groups.update": 'check = "owner"',
    "groups.delete": 'check = "owner"',
    "folders.create": 'check = "admin"',
    "folders.get": 'check = "viewer"',
    "folders.list": 'scope = "viewer"',
    "folders.aggregate": 'scope = "viewer"',
    "folders.update": 'check = "editor"',
    "folders.delete": 'check = "editor"',
    "documents.create": 'check = "editor"',
    "documents.get": 'check = "viewer"',
    "documents.list": 'scope = "viewer"',
    "documents.aggregate": 'scope = "viewer"',
    "documents.update": 'check = "editor"',
    "documents.delete": 'check = "editor"',
}
"""By the permission that scaffold writes."""

WORKSPACE = Contract.of(Path(__file__).parent, "workspace", {"keeper": ["*"], "auditor": ["access.read"]}, wishes=WISHES, rules=RULES)

pb = WORKSPACE.module()
"""Its messages."""

ACCESS = "protoplane.access.v1"


def access_door(service: Service, subject: str = "keeper", target: str = "") -> Door:
    """Calls of the platform's own service, as that subject, in the manner of `Service.door`; of another server of the same project at a `target`."""
    file = service.app.contract.messages[f"{ACCESS}.CheckRequest"].DESCRIPTOR.file
    return Door(target or service.target, [SimpleNamespace(DESCRIPTOR=file)], service.token(subject) if subject else "")


class Office:
    """An organisation that Ada made, with a folder and a document in it; nobody else has anything there."""

    def __init__(self, service: Service, stack: ExitStack, name: str) -> None:
        self._service, self._stack = service, stack
        self._doors: dict[str, Door] = {}
        self.access = stack.enter_context(closing(access_door(service)))
        """The platform's service, as somebody who may write any tuple."""
        self.name = name
        self.organisation: str = (
            self.door("ada").CreateOrganisation(organisation_id=name, organisation=pb.Organisation(display_name=name)).name
        )
        self.folder = self.folder_in("folder")
        self.document = self.document_in(self.folder, "plan")

    @staticmethod
    @contextmanager
    def of(service: Service, name: str) -> Iterator[Office]:
        """One whose names no other test knows."""
        with ExitStack() as stack:
            yield Office(service, stack, name)
        service.check()

    def door(self, subject: str) -> Door:
        """Calls as a user."""
        if subject not in self._doors:
            self._doors[subject] = self._stack.enter_context(closing(self._service.door(subject)))
        return self._doors[subject]

    @property
    def project(self) -> Path:
        """The folder of what is served."""
        return self._service.folder

    def access_as(self, subject: str) -> Door:
        """The platform's service, as that user."""
        name = f"access {subject}"
        if name not in self._doors:
            self._doors[name] = self._stack.enter_context(closing(access_door(self._service, subject)))
        return self._doors[name]

    def service_door(self, subject: str) -> Door:
        """Calls as a program in its own name."""
        return Door(self._service.target, self._service.contract.modules, token_of(self._service.folder, subject, service=True))

    def folder_in(self, name: str) -> str:
        """A new folder of the organisation."""
        made = self.door("ada").CreateFolder(parent=self.organisation, folder_id=name, folder=pb.Folder(display_name=name))
        return str(made.name)

    def document_in(self, folder: str, name: str) -> str:
        """A new document; who made it has no right to it by that."""
        made = self.door("ada").CreateDocument(parent=folder, document_id=name, document=pb.Document(title=name))
        self.take(f"{made.name}#author@users/ada")
        return str(made.name)

    def group(self, name: str) -> str:
        """A new group of nobody's."""
        made = self.door("ada").CreateGroup(group_id=f"{self.name}-{name}", group=pb.Group())
        self.take(f"{made.name}#owner@users/ada")
        return str(made.name)

    def creation(self, name: str) -> dict[str, Any]:
        """A write of a commit: a new document in the folder."""
        packed = Any_()
        packed.Pack(pb.Document(title=name))
        return {"create": {"parent": self.folder, "id": name, "resource": packed}}

    def give(self, *texts: str) -> None:
        """Write tuples."""
        self.access.WriteRelations(writes=tuples(*texts))

    def take(self, *texts: str) -> None:
        """Take tuples away."""
        self.access.WriteRelations(deletes=tuples(*texts))

    def tuples_of(self, resource: str) -> list[str]:
        """What is written of a resource."""
        found = self.access.ReadRelations(filter={"resource": resource}, page_size=1000).tuples
        return [f"{one.resource}#{one.relation}@{one.subject}" for one in found]


def tuples(*texts: str) -> list[dict[str, str]]:
    """Tuples as `organisations/a#admin@users/alice`."""
    parts = [(*text.partition("@")[0].rpartition("#")[::2], text.partition("@")[2]) for text in texts]
    return [{"resource": resource, "relation": relation, "subject": subject} for resource, relation, subject in parts]

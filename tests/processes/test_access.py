"""17: a right that is given or taken away through one process is given or taken away for the very next call on every other one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from types import SimpleNamespace
from typing import Any

import pytest
from google.rpc import error_details_pb2, status_pb2

from protoplane.contract.load import load
from protoplane.project import Everything
from tests.door.client import Door, Refused, code_of
from tests.door.workspace import ACCESS, WORKSPACE, pb, tuples
from tests.engines import Database
from tests.processes.conftest import SIGNER
from tests.processes.kit import AUDIENCE, ISSUER, Project, production

PROCESSES = 2
CONNECTIONS = 40
"""Enough that each process has one: each is a toss of a coin."""
ROUNDS = 10


def token(subject: str) -> str:
    """Of a person."""
    return SIGNER.mint(subject=subject, issuer=ISSUER, audience=AUDIENCE, seconds=3_600)


def process_of(door: Door) -> str:
    """Which process has the connection: what the ids of its calls begin with."""
    with pytest.raises(Refused) as caught:
        door.GetDocument(name="nothing")
    error: Any = caught.value.__cause__
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    info = error_details_pb2.RequestInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    return str(info.request_id.partition("-")[0])


@pytest.fixture
def project(database: Database, tmp_path: Any) -> Project:
    """The workspace in production."""
    WORKSPACE.modules  # noqa: B018 - Before the contract's own classes take the names of their packages.
    made = production(tmp_path, database.url, SIGNER, lambda folder: WORKSPACE.project(folder, database.url))
    return made.migrate()


@pytest.fixture
def connected(project: Project) -> Iterator[Mapping[str, Callable[[str], Door]]]:
    """By process: calls of it, as a user, by both services."""
    contract = load([project.folder / "protos"], implemented=Everything()).draft
    assert contract is not None
    modules = [*WORKSPACE.modules, SimpleNamespace(DESCRIPTOR=contract.messages[f"{ACCESS}.CheckRequest"].DESCRIPTOR.file)]
    with ExitStack() as stack:
        serving = stack.enter_context(project.serving("--processes", str(PROCESSES)))
        serving.started(times=PROCESSES)
        found: dict[str, Door] = {}
        for _ in range(CONNECTIONS):
            door = stack.enter_context(closing(Door(serving.target, modules, token("nobody"))))
            found.setdefault(process_of(door), door)
        assert len(found) == PROCESSES

        def calls(door: Door) -> Callable[[str], Door]:
            def as_user(subject: str) -> Door:
                door.token = token(subject)  # On the one connection to that process.
                return door

            return as_user

        yield {process: calls(door) for process, door in found.items()}


def test_auth_17_what_is_given_or_taken_through_one_process_holds_on_every_other_at_once(
    connected: Mapping[str, Callable[[str], Door]],
) -> None:
    first = next(iter(connected.values()))
    organisation = first("ada").CreateOrganisation(organisation_id="o", organisation=pb.Organisation(display_name="o")).name
    folder = first("ada").CreateFolder(parent=organisation, folder_id="f", folder=pb.Folder()).name
    document = first("ada").CreateDocument(parent=folder, document_id="d", document=pb.Document(title="d")).name
    group = first("ada").CreateGroup(group_id="g", group=pb.Group()).name
    first("keeper").WriteRelations(writes=tuples(f"{folder}#viewer@{group}#member"))

    def give(one: str) -> tuple[Callable[[Door], object], Callable[[Door], object]]:
        return (lambda door: door.WriteRelations(writes=tuples(one))), (lambda door: door.WriteRelations(deletes=tuples(one)))

    def own(owner: str) -> Callable[[Door], object]:
        return lambda door: door.UpdateDocument(document=pb.Document(name=document, owner=owner), update_mask={"paths": ["owner"]})

    ways = [
        ("keeper", *give(f"{document}#reader@users/bob")),
        ("keeper", *give(f"{group}#member@users/bob")),
        ("ada", own("bob"), own("")),
    ]
    for writing, reading in itertools.product(connected.values(), repeat=2):
        for who, grant, withdraw in ways * ROUNDS:
            for change, code in ((grant, "OK"), (withdraw, "PERMISSION_DENIED")):
                change(writing(who))
                assert code_of(lambda reading=reading: reading("bob").GetDocument(name=document)) == code  # type: ignore[misc]  # Bound now.
                assert len(reading("bob").ListDocuments(parent=folder).documents) == (code == "OK")

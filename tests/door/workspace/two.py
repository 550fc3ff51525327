"""Two organisations with everything under equal ids, and what somebody asks who wants to know of the other one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from protoplane.base.log import Log
from protoplane.base.observe import Observation
from tests.door.client import Door
from tests.door.service import Service
from tests.door.workspace import WORKSPACE, access_door, pb, tuples

CANARY = "cnry"
"""In everything that is hidden, and in nothing that is asked."""
TYPE = "workspace.example.com/Document"
FILTERS = (
    'title > "m"', 'title = "a*"', "rank < 500", 'slug = "s*"', "slug:*", 'draft > "m"', 'owner = "b*"', 'sequel.title > "m"', "sequel.draft:*",
    'sequel = "organisations/b/folders/folder/documents/plan"', 'stamp:"c"', "NOT title:*", "expanded_sequel.title:*", 'etag = "x"',
)  # fmt: skip
ORDERS = ("", "title", "title desc", "rank", "rank desc, name", "slug", "draft", "owner", "sequel.title", "create_time desc")
GROUPS = (["title"], ["owner"], ["draft"], ["stamp"], ["sequel"], ["slug"])


@dataclass
class Two:
    """Organisation `a`, where Mallory is admin and Mia sees one folder, and `b`, of Bert's: with everything under equal ids."""

    service: Service
    stack: ExitStack
    lines: list[str]
    doors: dict[str, Door] = field(default_factory=dict)

    def door(self, subject: str) -> Door:
        """Calls as a user."""
        if subject not in self.doors:
            self.doors[subject] = self.stack.enter_context(closing(self.service.door(subject)))
        return self.doors[subject]

    def fill(self, organisation: str, owner: str, mark: str) -> None:
        """The same for both, but for what stands in it."""
        door = self.door(owner)
        door.CreateOrganisation(organisation_id=organisation, organisation=pb.Organisation(display_name=f"{mark} organisation"))
        for folder in ("folder", "hidden"):
            parent = door.CreateFolder(
                parent=f"organisations/{organisation}", folder_id=folder, folder=pb.Folder(display_name=f"{mark} folder")
            ).name
            for number, title in enumerate(("plan", "other", "third")):
                document = self.document(f"{mark if folder == 'folder' else 'hdn' + mark} {title}", number, organisation, folder)
                door.CreateDocument(parent=parent, document_id=title, document=document)
        hidden = f"organisations/{organisation}/folders/hidden"
        door.CreateDocument(parent=hidden, document_id=f"{mark}-id", document=pb.Document(title=mark))
        door.CreateGroup(group_id=f"{organisation}-staff", group=pb.Group())

    @staticmethod
    def document(mark: str, number: int, organisation: str, folder: str) -> Any:
        """One with something in every field."""
        above = f"organisations/{organisation}/folders/{folder}/documents"
        word = mark.replace(" ", "-")
        return pb.Document(
            title=mark,
            rank=len(mark) * 10 + number,
            owner=f"{word}-owner",
            draft=f"drft{mark} draft",
            stamp=f"{mark} stamp",
            slug=f"{organisation}-{folder}-{word}-slug",
            sequel=f"{above}/plan" if number else "",
        )


@contextmanager
def served(serve: Callable[..., Service]) -> Iterator[Two]:
    """Served with a log of which every line is kept."""
    lines: list[str] = []
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("protoplane.base.log.CALLS_PER_SECOND_MAX", 10**9)
        log = stack.enter_context(closing(Log(calls="all", pretty=False, write=lines.append)))
        bugs: list[BaseException] = []

        def observe(seen: Observation) -> None:
            log.observe(seen)
            bugs.extend([seen.bug] if seen.bug is not None else [])

        two = Two(serve(WORKSPACE, observe=observe), stack, lines)
        two.fill("a", "mallory", "aaaa")
        two.fill("b", "bert", CANARY)
        with closing(access_door(two.service, "keeper")) as access:
            access.WriteRelations(
                writes=tuples(
                    "organisations/a/folders/folder#viewer@users/mia",
                    f"organisations/b/folders/hidden#viewer@users/{CANARY}-user",
                    f"groups/b-staff#member@users/{CANARY}-member",
                )
            )
        yield two
        assert not bugs

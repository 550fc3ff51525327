"""B12: no byte of what a caller may not see reaches him, by any answer, refusal, trailer or log line."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed

from tests.door.conftest import Serve
from tests.door.workspace import pb
from tests.door.workspace.two import CANARY, FILTERS, GROUPS, ORDERS, TYPE, Two, served

CALLS = 400
MASKS = (["*"], ["title", "draft"], ["name", "expanded_sequel"], ["expanded_sequel.draft"], ["expanded_sequel.title", "etag"])


def packed(message: Any) -> Any:
    found = Packed()
    found.Pack(message)
    return found


@pytest.fixture(scope="module")
def two(serve: Serve) -> Iterator[Two]:
    """Both, with a log of which every line is kept."""
    with served(serve) as two:
        yield two


class Listener:
    """Calls of which every byte that comes back is kept."""

    def __init__(self, two: Two, subject: str) -> None:
        self.token = two.service.token(subject)
        self.channel = grpc.insecure_channel(two.service.target, options=[("grpc.use_local_subchannel_pool", 1)])
        methods = two.service.app.contract.methods
        self.paths = {path.rpartition("/")[2]: (path, method) for path, method in methods.items()}
        self.modules = pb.DESCRIPTOR.services_by_name["Workspace"].methods_by_name

    def heard(self, name: str, request: Any) -> tuple[bytes, str]:
        """The answer, and everything beside it as text."""
        path, method = self.paths[name]
        kind: Any = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        call = (
            kind(path)(request.SerializeToString(), timeout=20, metadata=(("authorization", f"Bearer {self.token}"),))
            if (method.server_streaming)
            else kind(path).future(request.SerializeToString(), timeout=20, metadata=(("authorization", f"Bearer {self.token}"),))
        )
        try:
            answer = b"".join(call) if method.server_streaming else call.result()
            error = ""
        except grpc.RpcError as failed:
            answer, error = b"", repr(failed)
        return answer, f"{error} {call.initial_metadata()} {call.trailing_metadata()} {call.details()}"


def own(name: str, /, **fields: Any) -> tuple[str, Any]:
    """A request of the workspace."""
    return name, pb.DESCRIPTOR.services_by_name["Workspace"].methods_by_name[name].input_type._concrete_class(**fields)


class Walk:
    """Random calls. Names are those that everybody can guess."""

    def __init__(self, chance: random.Random, two: Two, tokens: Sequence[str], ids: Sequence[str]) -> None:
        self.chance, self.tokens, self.ids = chance, list(tokens), ids
        self.requests: Any = {
            name: two.service.app.contract.messages[f"protoplane.access.v1.{name}Request"]
            for name in ("Check", "ListResources", "ListSubjects", "ReadRelations", "WriteRelations", "TestPermissions", "Expand")
        }

    def organisation(self) -> str:
        """A name."""
        return "organisations/" + self.chance.choice(["a", "b", "b", "-", "none"])

    def folder(self) -> str:
        """A name."""
        return f"{self.organisation()}/folders/{self.chance.choice(['folder', 'hidden', '-', 'none'])}"

    def document(self) -> str:
        """A name."""
        return f"{self.folder()}/documents/{self.chance.choice(['plan', 'other', 'third', '-', 'none'])}"

    def any_name(self) -> str:
        """A name."""
        return self.chance.choice([self.organisation(), self.folder(), self.document(), "groups/b-staff", "groups/a-staff"])

    def call(self) -> tuple[str, Any]:
        """One of many forms."""
        chance, pick = self.chance, self.chance.choice
        page = {"page_size": chance.randrange(4), "page_token": pick([*[""] * 8, *self.tokens])}
        list_ = {"filter": pick([*[""] * len(FILTERS), *FILTERS]), "order_by": pick(ORDERS), **page}
        mask = {"paths": pick(MASKS)}
        text = f"t{chance.randrange(10**6)}"
        changed = pb.Document(name=self.document(), title=text, rank=chance.randrange(1000), etag=pick(["", '"0123456789abcdef"']))
        moved = pb.Document(name=f"organisations/a/folders/folder/documents/{pick(['plan', 'third'])}", sequel=self.document())
        subject = pick(["users/mallory", "users/bert", "groups/b-staff#member", self.any_name()])
        held = {
            "resource": self.any_name(),
            "relation": pick(["viewer", "editor", "admin", "owner", "member", "banned"]),
            "subject": subject,
        }
        requests = self.requests
        forms: list[Callable[[], tuple[str, Any]]] = [
            lambda: own("GetDocument", name=self.document(), read_mask=mask),
            lambda: own("BatchGetDocuments", names=[self.document() for _ in range(chance.randrange(4))]),
            lambda: own("ListDocuments", parent=self.folder(), read_mask=mask, **list_),
            lambda: own("ListDocuments", parent=self.folder(), **list_),
            lambda: own("AggregateDocuments", parent=self.folder(), filter=pick(["", *FILTERS]), group_by=pick(GROUPS)),
            lambda: own("UpdateDocument", document=changed, allow_missing=chance.random() < 0.3, request_id=pick(["", *self.ids])),
            lambda: own("UpdateDocument", document=moved, update_mask={"paths": ["sequel"]}),
            lambda: own("UpdateDocument", document=changed, update_mask={"paths": pick([["*"], ["draft"], ["owner"]])}, validate_only=True),
            lambda: own(
                "BatchUpdateDocuments", requests=[{"document": changed}, {"document": moved, "update_mask": {"paths": ["sequel"]}}]
            ),
            lambda: own("DeleteDocument", name=self.document(), etag='"0123456789abcdef"'),
            lambda: own("BatchDeleteDocuments", names=[self.document()], validate_only=True),
            lambda: own(
                "CreateDocument", parent=self.folder(), document_id=pick(["plan", "other", text]), document=pb.Document(title=text)
            ),
            lambda: own("PublishDocument", name=self.document()),
            lambda: own("GetFolder", name=self.folder()),
            lambda: own("ListFolders", parent=self.organisation(), order_by=pick(["", "display_name", "parent_folder"]), **page),
            lambda: own("AggregateFolders", parent=self.organisation(), group_by=["display_name"]),
            lambda: own(
                "UpdateFolder",
                folder=pb.Folder(name=self.folder(), parent_folder=pick(["", "organisations/b/folders/folder"]), display_name=text),
            ),
            lambda: own("DeleteFolder", name=f"organisations/b/folders/{pick(['folder', 'none'])}", force=chance.random() < 0.5),
            lambda: own("CreateFolder", parent=self.organisation(), folder_id=pick(["folder", "hidden", text]), folder=pb.Folder()),
            lambda: own("GetOrganisation", name=self.organisation()),
            lambda: own("ListOrganisations", order_by=pick(["", "display_name"]), **page),
            lambda: own("AggregateOrganisations", group_by=["display_name"]),
            lambda: own("CreateOrganisation", organisation_id="b", organisation=pb.Organisation(display_name=text)),
            lambda: own("GetGroup", name="groups/b-staff"),
            lambda: own("ListGroups", **page),
            lambda: own("Commit", writes=[{"verify": {"type": TYPE, "name": self.document()}}, {"update": {"resource": packed(moved)}}]),
            lambda: ("Check", requests["Check"](**held)),
            lambda: ("ListResources", requests["ListResources"](subject=subject, relation="viewer", type="document")),
            lambda: ("ListSubjects", requests["ListSubjects"](resource=self.any_name(), relation="viewer", subject_type="user")),
            lambda: ("ReadRelations", requests["ReadRelations"](filter={"resource": self.any_name()})),
            lambda: ("Expand", requests["Expand"](resource=self.any_name(), relation="viewer")),
            lambda: ("WriteRelations", requests["WriteRelations"](writes=[held], on_duplicate=pick([0, 2]))),
            lambda: ("WriteRelations", requests["WriteRelations"](deletes=[held], on_missing=pick([0, 2]))),
            lambda: (
                "WriteRelations",
                requests["WriteRelations"](
                    writes=[{"resource": "organisations/a/folders/folder", "relation": "viewer", "subject": subject}],
                    preconditions=[{"filter": {"resource": self.any_name()}, "demand": pick([1, 2])}],
                    validate_only=True,
                ),
            ),
            lambda: ("TestPermissions", requests["TestPermissions"](resource=self.any_name(), permissions=["viewer", "editor"])),
        ]
        return pick(forms)()


REQUEST_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


@pytest.mark.parametrize("who", ["mallory", "mia"])
def test_b12_a_random_walk_hears_no_byte_of_what_its_caller_may_not_see(two: Two, who: str) -> None:
    """Pages and request ids of others are tried too. Mia may see one folder of `a`, without drafts; what is hidden from her has a mark of its own."""
    bert = two.door("bert")
    tokens = [bert.ListDocuments(parent="organisations/b/folders/folder", page_size=1).next_page_token]
    tokens += [bert.ListDocuments(parent="organisations/b/folders/folder", page_size=1, order_by="title").next_page_token]
    bert.UpdateDocument(
        document=pb.Document(name="organisations/b/folders/folder/documents/plan", stamp=f"{CANARY} again"), request_id=REQUEST_ID
    )
    hidden = [CANARY, *([] if who == "mallory" else ["hdn", "drft"])]
    hidden += [one.etag.strip('"') for one in bert.ListDocuments(parent="organisations/b/folders/-").documents]
    walk, listener = Walk(random.Random(f"{who} walks"), two, tokens, [REQUEST_ID]), Listener(two, who)
    answered = 0
    start = len(two.lines)
    with closing(listener.channel):
        for _ in range(CALLS):
            name, request = walk.call()
            answer, beside = listener.heard(name, request)
            told = answer.decode("utf-8", "replace") + beside
            assert not [mark for mark in hidden if mark in told], (name, request, told)
            answered += beside.startswith(" ")
    assert answered > CALLS / 10
    asked = f'"subject": "{who}"'
    assert any(asked in line for line in two.lines[start:])
    assert not [line for line in two.lines[start:] if asked in line and any(mark in line for mark in hidden)]

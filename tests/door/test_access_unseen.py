"""B12: nothing that can be asked depends on what may not be seen: what is hidden changes, and every answer stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest

from tests.door.client import Door, Refused
from tests.door.conftest import Serve
from tests.door.workspace import access_door, pb, tuples
from tests.door.workspace.two import CANARY, FILTERS, GROUPS, ORDERS, TYPE, Two, served


@pytest.fixture(scope="module")
def two(serve: Serve) -> Iterator[Two]:
    """Both."""
    with served(serve) as two:
        yield two


def told(call: Callable[..., Any], **fields: Any) -> object:
    """Everything of an answer or a refusal but what is new in every one."""
    try:
        answer = call(**fields)
    except Refused as refused:
        metadata = {key: value for key, value in refused.metadata.items() if key != "requestId"}
        return refused.code, refused.message, refused.reason, metadata, dict(refused.violations), refused.details
    text = str(answer)
    token = getattr(answer, "next_page_token", "")
    return text.replace(token, "a token") if token else text


def probes(door: Door) -> Mapping[str, object]:
    """What somebody asks who wants to know of rows and fields that he may not see."""
    found: dict[str, object] = {}
    parents = [
        f"organisations/{one}/folders/{two}" for one in "ab-" for two in ("folder", "hidden", "-", "none") if (one, two) != ("-", "none")
    ]
    for parent in parents:
        for filter_ in ("", *FILTERS, *(f'title > "{letter}"' for letter in "acmz"), *(f"rank > {rank}" for rank in range(0, 1000, 125))):
            found[f"list {parent} {filter_}"] = told(door.ListDocuments, parent=parent, filter=filter_, page_size=2)
            found[f"aggregate {parent} {filter_}"] = told(door.AggregateDocuments, parent=parent, filter=filter_)
        for order in ORDERS:
            found[f"sorted {parent} {order}"] = told(door.ListDocuments, parent=parent, order_by=order, page_size=1)
        for groups in GROUPS:
            found[f"groups {parent} {groups}"] = told(door.AggregateDocuments, parent=parent, group_by=groups)
    for parent in ("organisations/a", "organisations/b", "organisations/-", "organisations/none"):
        found[f"folders {parent}"] = told(door.ListFolders, parent=parent), told(door.AggregateFolders, parent=parent)
    for name in ("plan", "none", "third", "new"):
        for folder in ("organisations/b/folders/folder", "organisations/b/folders/none", "organisations/a/folders/hidden"):
            document = f"{folder}/documents/{name}"
            body = pb.Document(name=document, title="x", etag='"0123456789abcdef"')
            found |= {
                f"get {document}": told(door.GetDocument, name=document),
                f"masked {document}": told(door.GetDocument, name=document, read_mask={"paths": ["nothing"]}),
                f"update {document}": told(door.UpdateDocument, document=body),
                f"update that creates {document}": told(door.UpdateDocument, document=body, allow_missing=True),
                f"delete {document}": told(door.DeleteDocument, name=document, etag='"0123456789abcdef"', allow_missing=True),
                f"create {document}": told(
                    door.CreateDocument, parent=folder, document_id=name, document=pb.Document(), validate_only=True
                ),
                f"invalid {document}": told(door.CreateDocument, parent=folder, document_id="NO!", document=pb.Document(title="x" * 200)),
                f"batch {document}": told(door.BatchGetDocuments, names=["organisations/a/folders/folder/documents/plan", document]),
                f"verify {document}": told(door.Commit, writes=[{"verify": {"type": TYPE, "name": document, "etag": "x"}}]),
                f"publish {document}": told(door.PublishDocument, name=document),
            }
    for name in ("folder", "hidden", "none"):
        found[f"delete {name}"] = told(door.DeleteFolder, name=f"organisations/b/folders/{name}")
        found[f"force {name}"] = told(door.DeleteFolder, name=f"organisations/b/folders/{name}", force=True)
    found["organisations"] = (
        told(door.ListOrganisations),
        told(door.AggregateOrganisations),
        told(door.GetOrganisation, name="organisations/b"),
    )
    expanded = {"paths": ["name", "title", "expanded_sequel"]}
    found["expansion"] = told(door.ListDocuments, parent="organisations/a/folders/folder", read_mask=expanded)
    return found


def test_b12_nothing_that_can_be_asked_depends_on_what_may_not_be_seen(two: Two) -> None:
    """Zoe sees one folder of `a`, which refers to documents of `b`. Everything else changes: all of her answers stay, byte for byte."""
    mallory, bert, zoe = two.door("mallory"), two.door("bert"), two.door("zoe")
    with closing(access_door(two.service, "keeper")) as access:
        access.WriteRelations(writes=tuples("organisations/a/folders/folder#viewer@users/zoe"))
    plan = "organisations/b/folders/folder/documents/plan"
    for name in ("plan", "other", "third"):
        document = pb.Document(name=f"organisations/a/folders/folder/documents/{name}", sequel=plan)
        mallory.UpdateDocument(document=document, update_mask={"paths": ["sequel"]}, allow_missing=True)
    before = probes(zoe)
    for name in ("plan", "other", "third"):
        draft = pb.Document(name=f"organisations/a/folders/folder/documents/{name}")
        etag_before = mallory.GetDocument(name=draft.name).etag
        assert etag_before
    for turn in range(3):
        bert.CreateDocument(
            parent="organisations/b/folders/hidden", document_id=f"more-{turn}", document=pb.Document(title="m" * turn, rank=300)
        )
        bert.CreateFolder(parent="organisations/b", folder_id=f"more-{turn}", folder=pb.Folder(display_name="more"))
    mallory.CreateDocument(parent="organisations/a/folders/hidden", document_id="new", document=pb.Document(title="n", rank=200))
    bert.UpdateDocument(document=pb.Document(name=plan, title="zzz", rank=999, owner="zzz"))
    bert.DeleteDocument(name="organisations/b/folders/folder/documents/third")
    bert.CreateDocument(parent="organisations/b/folders/folder", document_id="new", document=pb.Document(title="b"))
    bert.DeleteFolder(name="organisations/b/folders/hidden", force=True)
    after = probes(zoe)
    assert {name: (before[name], after[name]) for name in before if before[name] != after[name]} == {}
    assert len(before) > 500


def test_b12_a_field_that_may_not_be_read_has_no_effect_on_any_answer(two: Two) -> None:
    """Yan sees a document and not its draft; nothing but its etag, which changes with every change, tells of another draft."""
    mallory, yan = two.door("mallory"), two.door("yan")
    name = mallory.CreateDocument(parent="organisations/a/folders/folder", document_id="drafted", document=pb.Document(title="d")).name
    with closing(access_door(two.service, "keeper")) as access:
        access.WriteRelations(writes=tuples(f"{name}#reader@users/yan"))
    heard = []
    for draft in ("", "aaa", "zzz"):
        etag = mallory.UpdateDocument(document=pb.Document(name=name, draft=draft), update_mask={"paths": ["draft"]}).etag
        answers = [
            told(yan.GetDocument, name=name),
            told(yan.GetDocument, name=name, read_mask={"paths": ["draft", "title"]}),
            *(
                told(yan.ListDocuments, parent="organisations/a/folders/folder", filter=f'draft {sign} "m"')
                for sign in ("<", ">", "=", ":")
            ),
            told(yan.ListDocuments, parent="organisations/a/folders/folder", order_by="draft"),
            told(yan.ListDocuments, parent="organisations/a/folders/folder", filter="aaa"),
            told(yan.AggregateDocuments, parent="organisations/a/folders/folder", group_by=["draft"]),
            told(yan.UpdateDocument, document=pb.Document(name=name, draft="aaa"), update_mask={"paths": ["draft"]}),
            told(yan.BatchGetDocuments, names=[name, name]),
        ]
        heard.append([str(one).replace(etag.strip('"'), "etag") for one in answers])
    assert heard[0] == heard[1] == heard[2]


def test_b12_a_unique_value_that_is_taken_elsewhere_names_nothing_of_where(two: Two) -> None:
    """That it is taken cannot be hidden from who tries to take it: by whom can."""
    mallory, bert = two.door("mallory"), two.door("bert")
    bert.CreateDocument(parent="organisations/b/folders/folder", document_id="slugged", document=pb.Document(title=CANARY, slug="the-slug"))
    mine = two.door("mallory").CreateDocument(parent="organisations/a/folders/folder", document_id="slugs", document=pb.Document()).name
    for call, fields in (
        (mallory.UpdateDocument, {"document": pb.Document(name=mine, slug="the-slug")}),
        (
            mallory.CreateDocument,
            {"parent": "organisations/a/folders/folder", "document_id": "s2", "document": pb.Document(slug="the-slug")},
        ),
        (mallory.BatchUpdateDocuments, {"requests": [{"document": {"name": mine, "slug": "the-slug"}}]}),
    ):
        with pytest.raises(Refused) as refused:
            call(**fields)
        everything = f"{refused.value!r} {refused.value} {refused.value.__cause__!r}"
        assert refused.value.code in {"ALREADY_EXISTS", "PERMISSION_DENIED"}
        assert not [word for word in (CANARY, "organisations/b", "slugged") if word in everything]

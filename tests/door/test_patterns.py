"""Resources with several patterns (AIP-122): one set of methods under parents of several kinds, through a real port, on every engine."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.field_mask_pb2 import FieldMask

from tests.door import notebook as notebooks
from tests.door.changes import entries
from tests.door.client import Door, Refused
from tests.door.notebook import Notebook, commit, pb
from tests.engines import Engine

Refuse = Callable[..., Refused]
NOTE = "notebook.example.com/Note"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def notebook(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """The notebook, on each engine."""
    with notebooks.served(engine, tmp_path_factory.mktemp("notebook")) as running:
        yield running


@pytest.fixture
def writer(notebook: Notebook) -> Iterator[Door]:
    """Calls of somebody who may do everything; a bug inside the server fails the test with its own trace."""
    door = notebook.door()
    yield door
    door.close()
    if notebook.bugs:
        bug = notebook.bugs[0]
        notebook.bugs.clear()
        raise bug


@pytest.fixture
def folder(writer: Door) -> str:
    """A folder that no other test knows."""
    return str(writer.CreateFolder(folder_id=f"f{next(_numbers)}", folder=pb.Folder(title="Recipes")).name)


@pytest.fixture
def user(writer: Door) -> str:
    """A user that no other test knows."""
    return str(writer.CreateUser(user_id=f"{next(_numbers)}", user=pb.User(full_name="Ada")).name)


def note(parent: str, own: str, **fields: Any) -> Any:
    """A note as a caller writes it."""
    return pb.Note(name=f"{parent}/notes/{own}", **{"title": own, **fields})


def made(writer: Door, parent: str, *own: str, **fields: Any) -> list[Any]:
    """Notes below a parent, with these ids."""
    return [writer.CreateNote(parent=parent, note_id=one, note=note("", one, **fields)) for one in own]


def names(found: Any) -> list[str]:
    return [one.name for one in found]


def test_aip_11_a_resource_is_made_read_changed_and_deleted_under_either_parent(writer: Door, folder: str, user: str) -> None:
    for parent in (folder, user):
        (first,) = made(writer, parent, "milk")
        assert first.name == f"{parent}/notes/milk"
        assert writer.GetNote(name=first.name) == first
        then = writer.UpdateNote(note=note(parent, "milk", pages=3, etag=first.etag), update_mask=FieldMask(paths=["pages"]))
        assert (then.name, then.title, then.pages) == (first.name, "milk", 3)
        assert writer.UpdateNote(note=note(parent, "eggs"), allow_missing=True).name == f"{parent}/notes/eggs"
        assert names(writer.ListNotes(parent=parent).notes) == [f"{parent}/notes/eggs", first.name]
        writer.DeleteNote(name=first.name, etag=then.etag)
        assert names(writer.ListNotes(parent=parent).notes) == [f"{parent}/notes/eggs"]
    assert writer.CreateNote(parent=user, note=pb.Note(title="x")).name.startswith(f"{user}/notes/"), "its id is made"


def test_aip_11_one_id_under_two_parents_is_two_resources(writer: Door, folder: str, user: str) -> None:
    (one,), (other,) = made(writer, folder, "same", title="a"), made(writer, user, "same", title="b")
    assert (writer.GetNote(name=one.name).title, writer.GetNote(name=other.name).title) == ("a", "b")
    writer.DeleteNote(name=one.name)
    assert writer.GetNote(name=other.name) == other


def test_aip_11_a_name_of_no_pattern_is_refused_and_all_patterns_are_told(writer: Door, folder: str, refused: Refuse) -> None:
    every = "folders/{folder}/notes/{note} or users/{user}/notes/{note}"
    for name in ("", "notes/x", f"{folder}/memos/x", f"{folder}/notes", f"{folder}/notes/x/y", "/" * 5000, "-"):
        for call, field in ((writer.GetNote, "name"), (writer.DeleteNote, "name")):
            found = refused(call, name=name)
            assert (found.code, found.reason, found.violations) == ("INVALID_ARGUMENT", "INVALID_NAME", {field: f"must fit {every}"})
        assert refused(writer.UpdateNote, note=pb.Note(name=name, title="x")).violations == {"note.name": f"must fit {every}"}
    assert refused(writer.GetNote, name=f"{folder}/notes/a b").violations == {"name": "must fit folders/{folder}/notes/{note}"}
    assert refused(writer.GetNote, name="users/ada/notes/x").violations == {"name": "must fit users/{user}/notes/{note}"}, "it is a number"
    assert refused(writer.GetNote, name="users/7000/notes/x").code == "NOT_FOUND"


def test_aip_11_19_a_parent_of_no_pattern_is_refused_and_all_are_told(writer: Door, refused: Refuse) -> None:
    for parent in ("", "-", "-/-", "folders", "citations/x", "folders/f/notes/n", "users/-/"):
        for call in (writer.ListNotes, writer.AggregateNotes):
            assert refused(call, parent=parent).violations == {"parent": "must fit folders/{folder} or users/{user}"}
        assert refused(writer.CreateNote, parent=parent, note=pb.Note(title="x")).reason == "INVALID_NAME"
    assert refused(writer.CreateNote, parent="folders/-", note=pb.Note(title="x")).reason == "INVALID_NAME"
    assert refused(writer.CreateNote, parent="users/7000", note=pb.Note(title="x")).code == "NOT_FOUND"
    assert refused(writer.ListNotes, parent="folders/never-was").code == "NOT_FOUND"


def test_aip_15_17_19_lists_go_by_page_below_one_parent_or_all_of_a_kind(writer: Door, folder: str, user: str, refused: Refuse) -> None:
    made(writer, folder, "a", "b", "c", pages=7)
    made(writer, user, "b", "d", pages=7)
    page = writer.ListNotes(parent=folder, page_size=2, filter="pages = 7", order_by="title desc")
    assert names(page.notes) == [f"{folder}/notes/{own}" for own in "cb"]
    rest = writer.ListNotes(parent=folder, page_size=2, filter="pages = 7", order_by="title desc", page_token=page.next_page_token)
    assert (names(rest.notes), rest.next_page_token) == ([f"{folder}/notes/a"], "")
    other = refused(writer.ListNotes, parent=user, filter="pages = 7", order_by="title desc", page_token=page.next_page_token)
    assert other.reason == "INVALID_PAGE_TOKEN"
    for parent, mine, theirs in (("folders/-", folder, user), ("users/-", user, folder)):
        found = names(writer.ListNotes(parent=parent, page_size=1000).notes)
        assert any(name.startswith(f"{mine}/") for name in found)
        assert not any(name.startswith(f"{theirs}/") for name in found)
    assert names(writer.ListNotes(parent="users/-", filter=f'name = "{user}/notes/b"').notes) == [f"{user}/notes/b"]
    by_parent = writer.ListNotes(parent="users/-", filter='user.full_name = "Ada" AND title = "d"')
    assert f"{user}/notes/d" in names(by_parent.notes)
    assert refused(writer.ListNotes, parent="folders/-", filter='user.full_name = "Ada"').reason == "INVALID_FILTER"


def test_aip_11_groups_are_of_one_parent(writer: Door, folder: str, user: str) -> None:
    made(writer, folder, "a", "b", pages=2)
    made(writer, user, "c", pages=40)
    for parent, total in ((folder, 4), (user, 40)):
        (group,) = writer.AggregateNotes(parent=parent, aggregates=["sum(pages)"]).groups
        assert group.values["sum_pages"].int64_value == total


def test_aip_42_43_a_batch_lies_below_one_parent_or_anywhere_in_the_order_asked(
    writer: Door, folder: str, user: str, refused: Refuse
) -> None:
    requests = [pb.CreateNoteRequest(parent=parent, note_id=own, note=note("", own)) for own in "abc" for parent in (user, folder)]
    wanted = [f"{parent}/notes/{own}" for own in "abc" for parent in (user, folder)]
    assert names(writer.BatchCreateNotes(requests=requests).notes) == wanted
    asked = [wanted[3], wanted[0], wanted[3], wanted[4]]
    assert names(writer.BatchGetNotes(names=asked).notes) == asked
    assert names(writer.BatchGetNotes(parent="users/-", names=wanted[::2]).notes) == wanted[::2]
    updates = [
        pb.UpdateNoteRequest(note=pb.Note(name=name, pages=i), update_mask=FieldMask(paths=["pages"])) for i, name in enumerate(wanted)
    ]
    changed = writer.BatchUpdateNotes(requests=updates).notes
    assert [(one.name, one.pages) for one in changed] == [(name, i) for i, name in enumerate(wanted)]
    assert refused(writer.BatchGetNotes, parent=folder, names=wanted).reason == "INVALID_NAME"
    assert list(refused(writer.BatchGetNotes, names=[wanted[0], "x", wanted[1]]).violations) == ["names[1]"]
    writer.BatchDeleteNotes(names=wanted[1:])
    assert [names(writer.ListNotes(parent=parent).notes) for parent in (folder, user)] == [[], wanted[:1]]


def test_aip_42_a_batch_over_several_patterns_reads_one_moment(notebook: Notebook, writer: Door, folder: str, user: str) -> None:
    asked = [one.name for parent in (folder, user) for one in made(writer, parent, "a")]

    def change() -> None:
        with closing(notebook.door()) as other:
            for pages in range(1, 51):
                updates = [
                    pb.UpdateNoteRequest(note=pb.Note(name=name, pages=pages), update_mask=FieldMask(paths=["pages"])) for name in asked
                ]
                other.BatchUpdateNotes(requests=updates)

    seen = set[tuple[int, ...]]()
    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(change)
        while not changing.done():
            seen.add(tuple(one.pages for one in writer.BatchGetNotes(names=asked).notes))
        changing.result()
    assert len(seen) > 1, "it was changed while it was read"
    assert all(one == other for one, other in seen)


def test_aip_42_43_a_batch_over_several_patterns_is_all_or_nothing_and_says_which_item(
    notebook: Notebook, writer: Door, folder: str, user: str, refused: Refuse
) -> None:
    made(writer, folder, "a", "b")
    made(writer, user, "a", "b")
    four = [f"{parent}/notes/{own}" for own in "ab" for parent in (folder, user)]

    def update(name: str, title: str) -> Any:
        return pb.UpdateNoteRequest(note=pb.Note(name=name, title=title), update_mask=FieldMask(paths=["title"]))

    for at, bad in itertools.product(range(4), ("", "x" * 101)):
        found = refused(writer.BatchUpdateNotes, requests=[update(name, bad if i == at else "new") for i, name in enumerate(four)])
        assert list(found.violations) == [f"requests[{at}].note.title"]
    assert refused(writer.BatchGetNotes, names=[*four, f"{user}/notes/gone", f"{folder}/notes/a"]).code == "NOT_FOUND"
    assert refused(writer.BatchDeleteNotes, names=[*four, f"{user}/notes/gone"]).code == "NOT_FOUND"
    assert refused(writer.BatchDeleteNotes, names=[*four, four[2]]).violations.keys() == {"names[4]"}
    created = [pb.CreateNoteRequest(parent=parent, note_id="new", note=note("", "new")) for parent in (folder, user)]
    twice = [*created, pb.CreateNoteRequest(parent=user, note_id="a", note=note("", "a"))]
    assert refused(writer.BatchCreateNotes, requests=twice).code == "ALREADY_EXISTS"
    assert refused(writer.BatchCreateNotes, requests=[]).violations.keys() == {"requests"}
    many = [pb.CreateNoteRequest(parent=(folder, user)[i % 2], note=note("", "x")) for i in range(1001)]
    assert refused(writer.BatchCreateNotes, requests=many).violations.keys() == {"requests"}
    assert {one.title for one in writer.BatchGetNotes(names=four).notes} == {"a", "b"}
    assert sum(len(writer.ListNotes(parent=parent).notes) for parent in (folder, user)) == 4
    rehearsed = writer.BatchCreateNotes(requests=created, validate_only=True).notes
    assert names(rehearsed) == [f"{parent}/notes/new" for parent in (folder, user)]
    once = str(uuid.uuid4())
    kept = writer.BatchCreateNotes(requests=created, request_id=once)
    assert writer.BatchCreateNotes(requests=created, request_id=once) == kept
    logged = [one for one in entries(notebook.database, resource_type=NOTE) if one.name in names(kept.notes)]
    assert len(logged) == 2
    assert len({one.transaction_id for one in logged}) == 1


def test_aip_11_22_the_top_may_be_one_of_the_parents_and_a_deleted_one_is_kept_under_each(writer: Door, user: str, refused: Refuse) -> None:
    own = f"m{next(_numbers)}"
    top = writer.CreateMemo(memo_id=own, memo=pb.Memo(text="all"))
    mine = writer.CreateMemo(parent=user, memo_id=own, memo=pb.Memo(text="mine"))
    assert names([top, mine]) == [f"memos/{own}", f"{user}/memos/{own}"]
    assert own in {one.name.removeprefix("memos/") for one in writer.ListMemos(page_size=1000).memos}
    assert names(writer.ListMemos(parent=user).memos) == [mine.name]
    kept = writer.BatchDeleteMemos(names=[mine.name, "memos/never-was", top.name], allow_missing=True).memos
    assert names(kept) == [mine.name, top.name]
    assert all(one.HasField("delete_time") for one in kept)
    for name in names(kept):
        assert refused(writer.DeleteMemo, name=name).code == "NOT_FOUND"
        assert not writer.UndeleteMemo(name=name).HasField("delete_time")
    assert refused(writer.GetMemo, name=f"folders/f/memos/{own}").reason == "INVALID_NAME"
    assert refused(writer.ListMemos, parent="folders/f").violations == {"parent": "must fit an empty parent or users/{user}"}


def test_aip_11_51_children_stand_below_either_kind_and_go_with_it(writer: Door, folder: str, user: str, refused: Refuse) -> None:
    for parent, delete in ((folder, writer.DeleteFolder), (user, writer.DeleteUser)):
        (one,) = made(writer, parent, "a")
        remark = writer.CreateRemark(parent=one.name, remark_id="r", remark=pb.Remark(text="so"))
        assert remark.name == f"{one.name}/remarks/r"
        assert names(writer.ListRemarks(parent=f"{parent}/notes/-").remarks) == [remark.name]
        assert refused(writer.CreateRemark, parent=f"{parent}/notes/gone", remark=pb.Remark()).code == "NOT_FOUND"
        assert refused(writer.DeleteNote, name=one.name).code == "FAILED_PRECONDITION"
        assert refused(delete, name=parent).code == "FAILED_PRECONDITION"
        writer.DeleteNote(name=one.name, force=True)
        assert refused(writer.GetRemark, name=remark.name).code == "NOT_FOUND"
        (again,) = made(writer, parent, "a")
        writer.CreateRemark(parent=again.name, remark_id="r", remark=pb.Remark(text="so"))
        writer.UpdateLayout(layout=pb.Layout(name=f"{parent}/layout", color="red"))
        delete(name=parent, force=True)
        assert refused(writer.GetNote, name=again.name).code == "NOT_FOUND"
        assert refused(writer.GetLayout, name=f"{parent}/layout").code == "NOT_FOUND"


def test_aip_11_52_a_singleton_may_belong_to_several_kinds(writer: Door, folder: str, user: str, refused: Refuse) -> None:
    for parent in (folder, user):
        assert writer.GetLayout(name=f"{parent}/layout").etag
        writer.UpdateLayout(layout=pb.Layout(name=f"{parent}/layout", color=parent))
    assert [writer.GetLayout(name=f"{parent}/layout").color for parent in (folder, user)] == [folder, user]
    assert refused(writer.GetLayout, name="memos/m/layout").violations == {
        "name": "must fit folders/{folder}/layout or users/{user}/layout"
    }


def test_aip_11_a_reference_to_one_is_its_whole_name_and_is_not_followed(writer: Door, folder: str, user: str, refused: Refuse) -> None:
    named = [made(writer, parent, "a")[0].name for parent in (folder, user)]
    for name in named:
        cited = writer.CreateCitation(citation=pb.Citation(note=name, others=named))
        assert (cited.note, list(cited.others)) == (name, named)
        assert names(writer.ListCitations(filter=f'note = "{name}"').citations) == [cited.name]
    wrong = refused(writer.CreateCitation, citation=pb.Citation(note="folders/a/memos/b", others=["x"]))
    assert wrong.violations.keys() == {"citation.note", "citation.others[0]"}
    assert "or users/{user}/notes/{note}" in wrong.violations["citation.note"]
    assert refused(writer.ListCitations, filter='note.title = "a"').reason == "INVALID_FILTER"


def test_aip_58_a_commit_writes_under_either_parent(writer: Door, folder: str, user: str, refused: Refuse) -> None:
    def create(parent: str, title: str) -> Any:
        packed = Packed()
        packed.Pack(pb.Note(title=title))
        return commit.Write(create=commit.Write.Create(parent=parent, id="c", resource=packed))

    writes = [create(user, "a"), create(folder, "b")]
    writer.Commit(commit.CommitRequest(writes=writes))
    assert [writer.GetNote(name=f"{parent}/notes/c").title for parent in (user, folder)] == ["a", "b"]
    deletes = [commit.Write(delete=commit.Write.Delete(type=NOTE, name=f"{parent}/notes/c")) for parent in (folder, user)]
    wrong = commit.Write(delete=commit.Write.Delete(type=NOTE, name="memos/c"))
    found = refused(writer.Commit, commit.CommitRequest(writes=[*deletes, wrong]))
    assert (found.reason, list(found.violations)) == ("INVALID_NAME", ["writes[2].delete.name"])
    writer.Commit(commit.CommitRequest(writes=deletes))
    assert refused(writer.GetNote, name=f"{user}/notes/c").code == "NOT_FOUND"


def test_code_reaches_every_pattern_by_name_and_each_table_by_its_pattern(writer: Door, folder: str, user: str, refused: Refuse) -> None:
    (one,) = made(writer, folder, "moves")
    moved = writer.MoveNote(name=one.name, destination=user)
    assert moved.name == f"{user}/notes/moves"
    assert moved.pages >= 1
    assert refused(writer.GetNote, name=one.name).code == "NOT_FOUND"
    assert refused(writer.MoveNote, name=moved.name, destination="memos/x").reason == "INVALID_NAME"


def test_aip_11_a_rule_is_asked_whatever_the_parent(notebook: Notebook, writer: Door, folder: str, user: str, refused: Refuse) -> None:
    reader = notebook.door("reader")
    for parent in (folder, user):
        (one,) = made(writer, parent, "a")
        assert reader.GetNote(name=one.name) == one
        assert refused(reader.DeleteNote, name=one.name).code == "PERMISSION_DENIED"
        assert refused(reader.ListNotes, parent=parent).code == "PERMISSION_DENIED"
    assert refused(reader.DeleteNote, name="no/name/at/all").code == "PERMISSION_DENIED"
    reader.close()

"""Methods whose rule is a relation on what the request names: asked in the call's own transaction, before anything is told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from tests.door.client import Refused, code_of
from tests.door.workspace import Office, pb

Refuse = Callable[..., Refused]


def test_auth_17_a_right_that_is_given_or_taken_holds_for_the_very_next_call(office: Office, refused: Refuse) -> None:
    bob = office.door("bob")
    for _ in range(3):
        assert refused(bob.GetDocument, name=office.document).code == "PERMISSION_DENIED"
        office.give(f"{office.folder}#viewer@users/bob")
        assert bob.GetDocument(name=office.document).name == office.document
        assert code_of(lambda: bob.UpdateDocument(document=pb.Document(name=office.document, title="x"))) == "PERMISSION_DENIED"
        office.take(f"{office.folder}#viewer@users/bob")


def test_auth_17_membership_of_a_group_counts_as_soon_as_it_is_written(office: Office, refused: Refuse) -> None:
    bob, group = office.door("bob"), office.group("readers")
    office.give(f"{office.folder}#viewer@{group}#member")
    assert refused(bob.GetDocument, name=office.document).code == "PERMISSION_DENIED"
    office.give(f"{group}#member@users/bob")
    assert bob.GetDocument(name=office.document).name == office.document
    office.give(f"{office.document}#banned@users/bob")
    assert refused(bob.GetDocument, name=office.document).code == "PERMISSION_DENIED"


def test_what_may_not_be_seen_and_what_is_not_there_are_refused_alike(office: Office, refused: Refuse) -> None:
    eve = office.door("eve")
    there = refused(eve.GetDocument, name=office.document)
    absent = refused(eve.GetDocument, name=f"{office.document}x")
    assert (there.code, there.reason, there.metadata["permission"]) == ("PERMISSION_DENIED", "PERMISSION_DENIED", "viewer")
    assert there.message.replace(office.document, "…") == absent.message.replace(f"{office.document}x", "…")


def test_a_missing_resource_is_judged_by_what_it_would_stand_below(office: Office, refused: Refuse) -> None:
    assert refused(office.door("ada").GetDocument, name=f"{office.document}x").code == "NOT_FOUND"


def test_who_may_not_is_told_nothing_about_how_the_request_is_written(office: Office, refused: Refuse) -> None:
    wrong = pb.Document(name=office.document, title="x" * 200)
    assert refused(office.door("eve").UpdateDocument, document=wrong).code == "PERMISSION_DENIED"
    assert refused(office.door("ada").UpdateDocument, document=wrong).code == "INVALID_ARGUMENT"


def test_nobody_is_nobody(office: Office, refused: Refuse) -> None:
    office.give(f"{office.folder}#viewer@users/*")
    assert refused(office.door("").GetDocument, name=office.document).code == "UNAUTHENTICATED"
    assert office.door("eve").GetDocument(name=office.document).name == office.document


def test_creates_are_asked_of_the_parent_and_lists_show_what_may_be_seen(office: Office, refused: Refuse) -> None:
    bob = office.door("bob")
    made = {"parent": office.folder, "document_id": "new", "document": pb.Document(title="new")}
    assert refused(bob.CreateDocument, **made).code == "PERMISSION_DENIED"
    assert list(bob.ListDocuments(parent=office.folder).documents) == []
    office.give(f"{office.folder}#editor@users/bob")
    assert bob.CreateDocument(**made).name == f"{office.folder}/documents/new"
    assert [one.name for one in bob.ListDocuments(parent=office.folder).documents] == [f"{office.folder}/documents/new", office.document]


def test_batches_are_asked_about_each_and_do_nothing_where_one_is_refused(office: Office, refused: Refuse) -> None:
    bob, other = office.door("bob"), office.document_in(office.folder, "other")
    office.give(f"{office.document}#editor@users/bob")
    assert refused(bob.BatchGetDocuments, names=[office.document, other]).metadata["resource"] == other
    changes = [{"document": {"name": name, "title": "mine"}} for name in (office.document, other)]
    assert refused(bob.BatchUpdateDocuments, requests=changes).code == "PERMISSION_DENIED"
    assert refused(bob.BatchDeleteDocuments, names=[office.document, other]).code == "PERMISSION_DENIED"
    assert office.door("ada").GetDocument(name=office.document).title == "plan"
    assert len(bob.BatchGetDocuments(names=[office.document, office.document]).documents) == 2


def test_custom_code_keeps_the_rules_of_its_callers(office: Office, refused: Refuse) -> None:
    bob = office.door("bob")
    office.give(f"{office.folder}#viewer@users/bob")
    assert refused(bob.PublishDocument, name=office.document).metadata["permission"] == "editor"
    office.give(f"{office.document}#editor@users/bob")
    assert bob.PublishDocument(name=office.document).title == "PLAN"


def test_commits_ask_each_write_and_see_what_the_ones_before_them_made(office: Office, refused: Refuse) -> None:
    bob = office.door("bob")
    office.give(f"{office.folder}#editor@users/bob")
    new, type_ = f"{office.folder}/documents/made", "workspace.example.com/Document"
    writes = [office.creation("made"), {"delete": {"type": type_, "name": new}}]
    assert len(bob.Commit(writes=writes).results) == 2
    office.take(f"{office.folder}#editor@users/bob")
    refusal = refused(bob.Commit, writes=[office.creation("made")])
    assert (refusal.code, refusal.metadata["permission"]) == ("PERMISSION_DENIED", "editor")


def test_auth_22_a_field_is_absent_for_whom_its_relation_is_not(office: Office, refused: Refuse) -> None:
    ada, bob = office.door("ada"), office.door("bob")
    ada.UpdateDocument(document=pb.Document(name=office.document, draft="secret"), update_mask={"paths": ["draft"]})
    office.give(f"{office.folder}#viewer@users/bob")
    seen = [
        bob.GetDocument(name=office.document),
        bob.GetDocument(name=office.document, read_mask={"paths": ["draft"]}),
        *bob.ListDocuments(parent=office.folder).documents,
        *bob.BatchGetDocuments(names=[office.document]).documents,
    ]
    assert [one.draft for one in seen] == [""] * 4
    assert ada.GetDocument(name=office.document).draft == "secret"
    for arguments in ({"filter": 'draft = "secret"'}, {"order_by": "draft"}):
        assert refused(ada.ListDocuments, parent=office.folder, **arguments).code == "INVALID_ARGUMENT"


def test_auth_22_a_field_is_not_written_by_whom_its_relation_is_not(office: Office, refused: Refuse) -> None:
    bob = office.door("bob")
    office.give(f"{office.document}#editor@users/bob")
    refusal = refused(bob.UpdateDocument, document=pb.Document(name=office.document, title="t", stamp="s"))
    assert (refusal.code, refusal.reason, refusal.metadata["field"]) == ("PERMISSION_DENIED", "FIELD_DENIED", "stamp")
    assert office.door("ada").GetDocument(name=office.document).title == "plan"
    assert bob.UpdateDocument(document=pb.Document(name=office.document, title="t")).title == "t"


def test_a_field_that_says_who_has_a_relation_is_written_by_those_who_may_give_it(office: Office, refused: Refuse) -> None:
    bob, carol = office.door("bob"), office.door("carol")
    office.give(f"{office.document}#editor@users/bob")
    theft = pb.Document(name=office.document, owner="bob")
    assert refused(bob.UpdateDocument, document=theft).metadata["field"] == "owner"
    office.door("ada").UpdateDocument(document=pb.Document(name=office.document, owner="carol"))
    assert carol.GetDocument(name=office.document).owner == "carol"
    carol.UpdateDocument(document=pb.Document(name=office.document, title="hers"))
    # A manager as it was and as it becomes: whoever gives it away entirely is no manager afterwards.
    assert refused(carol.UpdateDocument, document=theft).reason == "FIELD_DENIED"
    assert carol.GetDocument(name=office.document).owner == "carol"


def test_a_folder_is_moved_by_whoever_may_write_where_it_was_and_where_it_goes(office: Office, refused: Refuse) -> None:
    bob = office.door("bob")
    source, goal, inner = (office.folder_in(name) for name in ("source", "goal", "inner"))
    office.door("ada").UpdateFolder(folder=pb.Folder(name=inner, parent_folder=source))
    office.give(f"{source}#editor@users/bob")
    move = pb.Folder(name=inner, parent_folder=goal)
    assert refused(bob.UpdateFolder, folder=move).reason == "FIELD_DENIED"
    office.give(f"{goal}#editor@users/bob")
    assert bob.UpdateFolder(folder=move).parent_folder == goal
    office.take(f"{source}#editor@users/bob")
    assert bob.GetFolder(name=inner).name == inner


def test_auth_23_whoever_creates_has_what_creators_get_and_deletes_take_it_away(office: Office, refused: Refuse) -> None:
    bob = office.door("bob")
    office.give(f"{office.folder}#editor@users/bob")
    document = bob.CreateDocument(parent=office.folder, document_id="bobs", document=pb.Document(title="b")).name
    office.take(f"{office.folder}#editor@users/bob")
    assert bob.UpdateDocument(document=pb.Document(name=document, title="c")).title == "c"
    office.give(f"{document}#reader@users/eve")
    bob.DeleteDocument(name=document)
    assert office.tuples_of(document) == []
    office.door("ada").CreateDocument(parent=office.folder, document_id="bobs", document=pb.Document(title="new"))
    for who in ("bob", "eve"):
        assert refused(office.door(who).GetDocument, name=document).code == "PERMISSION_DENIED"


def test_auth_23_what_stands_below_loses_its_tuples_with_what_it_stands_below(office: Office) -> None:
    ada = office.door("ada")
    office.give(f"{office.document}#reader@users/bob", f"{office.folder}#viewer@users/bob")
    other = office.folder_in(f"{office.folder.rpartition('/')[2]}x")
    office.give(f"{other}#viewer@users/bob")
    ada.DeleteDocument(name=office.document)
    ada.CreateDocument(parent=office.folder, document_id="again", document=pb.Document())
    ada.BatchDeleteDocuments(names=[f"{office.folder}/documents/again"])
    ada.DeleteFolder(name=office.folder)
    assert office.tuples_of(office.document) == office.tuples_of(office.folder) == []
    assert len(office.tuples_of(other)) == 1


def test_expansions_leave_out_what_the_caller_may_not_read(office: Office) -> None:
    ada, bob = office.door("ada"), office.door("bob")
    hidden = office.document_in(office.folder_in("hidden"), "sequel")
    ada.UpdateDocument(document=pb.Document(name=office.document, sequel=hidden))
    office.give(f"{office.folder}#viewer@users/bob")
    mask = {"paths": ["name", "expanded_sequel"]}
    assert ada.GetDocument(name=office.document, read_mask=mask).expanded_sequel.name == hidden
    assert not bob.GetDocument(name=office.document, read_mask=mask).HasField("expanded_sequel")
    assert not bob.ListDocuments(parent=office.folder, read_mask=mask).documents[0].HasField("expanded_sequel")


def test_a_service_is_not_the_user_of_the_same_name(office: Office, refused: Refuse) -> None:
    office.give(f"{office.document}#reader@services/bot")
    with closing(office.service_door("bot")) as bot:
        assert bot.GetDocument(name=office.document).name == office.document
    assert refused(office.door("bot").GetDocument, name=office.document).code == "PERMISSION_DENIED"

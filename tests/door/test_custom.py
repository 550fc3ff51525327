"""A team's own code, through the door on every engine: around, beside and in place of compiled methods, all or nothing."""

from __future__ import annotations

import itertools
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.door.client import Door, Refused
from tests.door.conftest import Serve
from tests.door.custom import WORKSHOP, pb
from tests.door.service import Service

Refuse = Callable[..., Refused]


@pytest.fixture(scope="module")
def served(serve: Serve) -> Service:
    """The workshop. Whatever it takes for a bug must be expected by the test, which then takes it away."""
    return serve(WORKSHOP, logged=False)


def bugs_of(served: Service) -> list[BaseException]:
    """What the server took for a bug since the last time."""
    found = list(served.bugs)
    served.bugs.clear()
    return found


numbers = itertools.count(1)


def account(door: Door, **fields: Any) -> Any:
    """A new account."""
    return door.CreateAccount(account_id=f"a{next(numbers)}", account=pb.Account(display_name="x", **fields))


def everything(door: Door) -> list[Any]:
    """All there is."""
    accounts = door.ListAccounts(page_size=1000).accounts
    return [(one, list(door.ListEntries(parent=one.name, page_size=1000).entries)) for one in accounts]


# Around standard methods


def test_code_around_create_fills_what_callers_cannot_and_writes_more_in_the_same_transaction(door: Door) -> None:
    made = account(door, balance=5_000_000, owner="me")
    assert (made.balance, made.owner) == (100, "teller")
    assert door.GetAccount(name=made.name) == made
    assert [entry.text for entry in door.ListEntries(parent=made.name).entries] == ["opening"]


def test_a_refusal_after_serve_undoes_it(door: Door, refused: Refuse) -> None:
    name = f"a{next(numbers)}"
    refusal = refused(door.CreateAccount, account_id=name, account=pb.Account(display_name="x", note="fail afterwards"))
    assert (refusal.code, refusal.reason, refusal.domain) == ("FAILED_PRECONDITION", "NOT_TODAY", "workshop.v1")
    assert refused(door.GetAccount, name=f"accounts/{name}").code == "NOT_FOUND"


def test_what_serve_refuses_is_refused_as_without_code_around_it(door: Door, refused: Refuse) -> None:
    made = account(door, code=f"code-{next(numbers)}")
    assert "account.display_name" in refused(door.CreateAccount, account=pb.Account()).violations
    twin = refused(door.CreateAccount, account=pb.Account(display_name="y", code=made.code))
    assert (twin.code, list(twin.violations)) == ("ALREADY_EXISTS", ["account.code"])


def test_a_batch_does_not_go_through_the_code_around_create(door: Door) -> None:
    (made,) = door.BatchCreateAccounts(requests=[pb.CreateAccountRequest(account=pb.Account(display_name="x", balance=9))]).accounts
    assert (made.balance, made.owner) == (0, "")


@pytest.mark.parametrize("paths", [["note"], []])
def test_code_around_update_writes_what_callers_cannot(door: Door, paths: list[str]) -> None:
    made = account(door)
    given = pb.Account(name=made.name, display_name="x", note="n", revision=99, balance=99)
    changed = door.UpdateAccount(account=given, update_mask=FieldMask(paths=paths))
    assert (changed.note, changed.balance, changed.revision) == ("n", 100, 1)
    assert door.GetAccount(name=made.name) == changed


def test_a_caller_cannot_clear_what_only_code_writes_by_naming_it(door: Door) -> None:
    made = account(door)
    changed = door.UpdateAccount(account=pb.Account(name=made.name, note="n"), update_mask=FieldMask(paths=["note", "balance", "owner"]))
    assert (changed.note, changed.balance, changed.owner) == ("n", 100, "teller")


def test_not_calling_serve_replaces_it(door: Door) -> None:
    made = account(door)
    door.DeleteAccount(name=made.name)
    assert door.GetAccount(name=made.name).state == pb.Account.STATE_ARCHIVED


def test_code_around_a_read_changes_the_answer_only(door: Door) -> None:
    made = account(door)
    assert door.GetEntry(name=f"{made.name}/entries/opening").text == "<opening>"
    assert door.ListEntries(parent=made.name).entries[0].text == "opening"


# Methods of their own


def test_all_verbs_and_queries_are_one_transaction(door: Door) -> None:
    old, heir = account(door), account(door)
    before = {one.name: one.balance for one, _ in everything(door)}
    answer = door.MergeAccounts(name=old.name, heir=heir.name)
    assert (answer.account.name, answer.account.balance) == (heir.name, 200)
    assert (answer.total, answer.count) == (sum(before.values()), len(before) - 1), "the queries see what was just written"
    assert sorted(entry.text for entry in door.ListEntries(parent=heir.name).entries) == sorted(["opening", f"from {old.name}"])
    with pytest.raises(Refused, match="not found"):
        door.GetAccount(name=old.name)


FATES = {
    "fault": ("NOT_FOUND", "RESOURCE_NOT_FOUND", 0),
    "refusal": ("FAILED_PRECONDITION", "ACCOUNT_FROZEN", 0),
    "exception": ("INTERNAL", "INTERNAL_FAULT", 1),
    "exit": ("INTERNAL", "INTERNAL_FAULT", 1),
    "nothing": ("INTERNAL", "INTERNAL_FAULT", 1),
}


@pytest.mark.parametrize("fate", FATES)
def test_whatever_ends_a_method_early_undoes_all_it_did(served: Service, door: Door, refused: Refuse, fate: str) -> None:
    old, heir = account(door), account(door)
    before = everything(door)
    request_id = str(uuid.uuid4())
    code, reason, bugs = FATES[fate]
    refusal = refused(door.MergeAccounts, name=old.name, heir=heir.name, fate=fate, request_id=request_id)
    assert (refusal.code, refusal.reason, len(bugs_of(served))) == (code, reason, bugs)
    assert "canary" not in f"{refusal.message} {refusal.metadata} {refusal.violations}"
    assert everything(door) == before
    again = door.MergeAccounts(name=old.name, heir=heir.name, request_id=request_id)
    assert again.account.balance == 200, "a request_id whose call failed is free again, also for another body"


def test_an_answer_of_another_type_is_a_fault_of_ours_and_undoes_all(served: Service, door: Door, refused: Refuse) -> None:
    old, heir = account(door), account(door)
    before = everything(door)
    refusal = refused(door.MergeAccounts, name=old.name, heir=heir.name, fate="other")
    assert (refusal.code, len(bugs_of(served))) == ("INTERNAL", 1)
    assert everything(door) == before


def test_a_refusal_that_cannot_be_put_into_words_is_a_bug(served: Service, door: Door, refused: Refuse) -> None:
    assert refused(door.Fail, how="metadata").code == "INTERNAL"
    assert len(bugs_of(served)) == 1


def test_validate_only_runs_everything_and_keeps_nothing(door: Door, refused: Refuse) -> None:
    old, heir = account(door), account(door)
    before = everything(door)
    request_id = str(uuid.uuid4())
    rehearsal = door.MergeAccounts(name=old.name, heir=heir.name, validate_only=True, request_id=request_id)
    assert (rehearsal.account.balance, rehearsal.count) == (200, len(before) - 1)
    assert everything(door) == before
    rehearsed = refused(door.MergeAccounts, name=old.name, heir=heir.name, validate_only=True, fate="refusal")
    assert rehearsed.reason == "ACCOUNT_FROZEN"
    assert door.MergeAccounts(name=old.name, heir=heir.name, request_id=request_id).account.balance == 200, "the request_id was not kept"
    asked = door.CreateAccount(account_id="rehearsed", account=pb.Account(display_name="x"), validate_only=True)
    assert (asked.balance, asked.owner) == (100, "teller")
    assert refused(door.ListEntries, parent="accounts/rehearsed").code == "NOT_FOUND"


def test_the_same_request_id_gives_the_first_answer_of_a_custom_method(door: Door, refused: Refuse) -> None:
    old, heir = account(door), account(door)
    request = pb.MergeAccountsRequest(name=old.name, heir=heir.name, request_id=str(uuid.uuid4()))
    first = door.MergeAccounts(request)
    account(door)
    assert door.MergeAccounts(request) == first
    request.heir = account(door).name
    refusal = refused(door.MergeAccounts, request)
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")


def test_the_same_request_id_gives_the_first_answer_of_code_around_a_method(door: Door) -> None:
    request = pb.CreateAccountRequest(account=pb.Account(display_name="x"), request_id=str(uuid.uuid4()))
    first = door.CreateAccount(request)
    assert door.CreateAccount(request) == first
    assert len(door.ListEntries(parent=first.name).entries) == 1


def test_one_effect_when_many_send_the_same_request_at_once(door: Door) -> None:
    source, target = account(door), account(door)
    request = pb.TransferRequest(source=source.name, target=target.name, amount=10, request_id=str(uuid.uuid4()))

    def send(_number: int) -> Any:
        while True:
            try:
                return door.Transfer(request)
            except Refused as refusal:
                if refusal.code != "ABORTED":
                    raise

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))
    assert all(answer == answers[0] for answer in answers)
    assert door.GetAccount(name=source.name).balance == 90


def test_requests_of_custom_methods_are_checked_before_the_code(door: Door, refused: Refuse) -> None:
    missing = refused(door.Transfer, source="accounts/a", amount=0)
    assert missing.code == "INVALID_ARGUMENT"
    assert {"target", "amount"} <= set(missing.violations)
    wrong = refused(door.Transfer, source="shelves/a", target="accounts/b", amount=1)
    assert (wrong.code, "source" in wrong.violations) == ("INVALID_ARGUMENT", True)


# Rules


@pytest.mark.parametrize(("verb", "permission"), [(verb, f"accounts.{verb}") for verb in ("get", "create", "update", "delete")])
def test_verbs_keep_the_callers_rules_unless_the_service_acts(
    served: Service, door: Door, refused: Refuse, verb: str, permission: str
) -> None:
    made = door.BatchCreateAccounts(requests=[pb.CreateAccountRequest(account=pb.Account(display_name="x"))]).accounts[0]
    name = f"accounts/snooped{next(numbers)}" if verb == "create" else made.name
    snoop = served.door("snoop")
    before = everything(door)
    refusal = refused(snoop.Snoop, name=name, verb=verb)
    assert (refusal.code, refusal.metadata["permission"]) == ("PERMISSION_DENIED", permission)
    assert everything(door) == before
    trusted = snoop.Snoop(name=name, verb=verb, trusted=True).account
    assert trusted.name == ("" if verb == "delete" else name)
    assert trusted.balance == {"create": 7, "update": 8}.get(verb, 0), "code writes OUTPUT_ONLY fields"
    assert (everything(door) == before) == (verb == "get")
    assert door.Snoop(name=f"{name}x" if verb == "create" else account(door).name, verb=verb if verb != "delete" else "get") is not None
    snoop.close()


def test_a_denied_caller_never_reaches_the_code(served: Service, refused: Refuse) -> None:
    nobody, stranger = served.door("nobody"), served.door("nobody")
    stranger.token = ""
    assert refused(nobody.Snoop, name="accounts/x", verb="get", trusted=True).code == "PERMISSION_DENIED"
    assert refused(stranger.Fail, how="reached").code == "UNAUTHENTICATED"
    nobody.close()
    stranger.close()


@pytest.mark.parametrize("verb", ["create", "update", "delete", "model"])
def test_aip_48_a_custom_method_without_side_effects_cannot_write(served: Service, door: Door, refused: Refuse, verb: str) -> None:
    made = door.BatchCreateAccounts(requests=[pb.CreateAccountRequest(account=pb.Account(display_name="x"))]).accounts[0]
    assert door.Meddle(name=made.name, verb="get").account == made
    before = everything(door)
    name = f"accounts/meddled{next(numbers)}" if verb == "create" else made.name
    refusal = refused(door.Meddle, name=name, verb=verb)
    assert (refusal.code, len(bugs_of(served))) == ("INTERNAL", 1)
    assert everything(door) == before
    assert door.UpdateAccount(account=pb.Account(name=made.name, note="later")).note == "later", "the connection is as it was"


def test_an_error_that_code_swallows_does_not_break_what_comes_after(door: Door) -> None:
    door.Fail(how="swallowed")
    assert account(door).balance == 100


# Collisions


def meeting(parties: int) -> threading.Barrier:
    """Let the next transfers wait for each other once each holds its first row."""
    barrier = threading.Barrier(parties)
    code: Any = sys.modules["workshop_code"]
    code.MEETING = barrier
    return barrier


@pytest.fixture
def apart() -> Iterator[None]:
    """No transfer waits for another any more."""
    yield
    code: Any = sys.modules["workshop_code"]
    code.MEETING = None


@pytest.mark.engines("mariadb", "mysql")
@pytest.mark.usefixtures("apart")
def test_f08_a_deadlock_is_run_again_and_nobody_notices(door: Door) -> None:
    """Two transfers in opposite order, each with one row locked before it asks for the other's."""
    one, other = account(door), account(door)
    for _ in range(3):
        meeting(2)
        with ThreadPoolExecutor(2) as pool:
            there = pool.submit(door.Transfer, source=one.name, target=other.name, amount=10)
            back = pool.submit(door.Transfer, source=other.name, target=one.name, amount=4)
            assert sorted([there.result().attempt, back.result().attempt]) == [1, 2], "one was the victim, and was run again"
    assert [door.GetAccount(name=name).balance for name in (one.name, other.name)] == [82, 118]
    assert len(door.ListEntries(parent=one.name).entries) == 4, "the victim's first run left nothing"


def test_f08_many_transfers_in_all_directions_lose_nothing(door: Door) -> None:
    names = [account(door).name for _ in range(4)]
    pairs = [(a, b) for a in names for b in names if a != b] * 3
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda pair: door.Transfer(source=pair[0], target=pair[1], amount=3), pairs))
    assert [door.GetAccount(name=name).balance for name in names] == [100] * 4
    assert sum(len(door.ListEntries(parent=name).entries) for name in names) == 4 + len(pairs)


@pytest.mark.parametrize("verb", ["create", "update"])
def test_aip_7_code_is_told_what_is_taken_as_its_caller_would_be_unless_the_service_acts(
    served: Service, door: Door, refused: Refuse, verb: str
) -> None:
    taken = door.CreateAccount(account=pb.Account(display_name="x", code=f"code{next(numbers)}"), account_id=f"taken{next(numbers)}")
    other = door.CreateAccount(account=pb.Account(display_name="x"))
    cuckoo = served.door("cuckoo")
    asked = {"name": taken.name if verb == "create" else other.name, "verb": verb, "code": taken.code if verb == "update" else ""}
    refusal = refused(cuckoo.Snoop, **asked)
    assert (refusal.code, refusal.metadata["permission"]) == ("PERMISSION_DENIED", "accounts.get")
    assert refused(cuckoo.Snoop, trusted=True, **asked).code == "ALREADY_EXISTS"
    assert refused(door.Snoop, **asked).code == "ALREADY_EXISTS"
    cuckoo.close()

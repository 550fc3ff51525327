"""Custom code as a team writes it, and as a team should not."""

from __future__ import annotations

import threading
from typing import Any

from peewee import SQL, Value, fn
from workshop.v1.workshop import (  # type: ignore[import-not-found]  # Made by the server from the contract.
    Account,
    Entry,
    FailResponse,
    MergeAccountsResponse,
    SnoopResponse,
    TransferResponse,
)

from protoplane.base.errors import Code, Fault, Reason, Refusal
from protoplane.method.custom import Call, Handler, Servicer

MEETING: threading.Barrier | None = None
"""Where the first runs of two transfers wait for each other, each with one row written: tests set it."""

OPENING = 100


class Workshop(Servicer, service="workshop.v1.Workshop"):
    """All ways there are to put code beside, around and in place of the compiled methods."""

    def create_account(self, call: Call, request: Any, serve: Handler[Any, Any]) -> Any:
        """Before: what is ours to say; after: an entry in the same transaction."""
        request.account.owner = call.principal.subject
        request.account.balance = OPENING
        account = serve(call, request)
        call.as_service().create(Entry(amount=OPENING, text="opening"), parent=account.name, id="opening")
        if request.account.note == "fail afterwards":
            raise Refusal(Code.FAILED_PRECONDITION, "NOT_TODAY", domain="workshop.v1", text="Not today.")
        return account

    def update_account(self, call: Call, request: Any, serve: Handler[Any, Any]) -> Any:
        """Before: a field that callers cannot write."""
        request.account.revision = call.as_service().get(Account, request.account.name).revision + 1
        if request.update_mask.paths:
            request.update_mask.paths.append("revision")
        return serve(call, request)

    def delete_account(self, call: Call, request: Any, serve: Handler[Any, Any]) -> Any:
        """In place of the compiled method: nothing is deleted."""
        del serve
        call.as_service().update(Account(name=request.name, state=Account.STATE_ARCHIVED), "state")
        return call.method.response_class()

    def get_entry(self, call: Call, request: Any, serve: Handler[Any, Any]) -> Any:
        """After a read."""
        entry = serve(call, request)
        entry.text = f"<{entry.text}>"
        return entry

    def merge_accounts(self, call: Call, request: Any) -> Any:
        """All four verbs and free queries in one transaction."""
        desk = call.as_service()
        old, heir = desk.get(Account, request.name), desk.get(Account, request.heir)
        accounts: Any = call.model(Account)
        entries: Any = call.model(Entry)
        own = request.name.rpartition("/")[2]
        desk.create(Entry(amount=old.balance, text=f"from {old.name}", author=call.principal.subject), parent=heir.name)
        desk.update(Account(name=heir.name, etag=heir.etag, balance=heir.balance + old.balance), "balance")
        for (entry,) in list(entries.select(entries.entry).where(entries.account == own).tuples()):
            desk.delete(Entry, f"{old.name}/entries/{entry}")
        desk.delete(Account, old.name)
        total, count = accounts.select(fn.SUM(accounts.balance), fn.COUNT(accounts.account)).tuples().first()
        end(request.fate, old.name)
        if request.fate == "nothing":
            return None
        if request.fate == "other":
            return Account()
        return MergeAccountsResponse(account=desk.get(Account, heir.name), total=int(total), count=count)  # A Decimal on MySQL.

    def transfer(self, call: Call, request: Any) -> Any:
        """Two rows in the order of the request: two transfers in opposite directions lock each other out."""
        accounts: Any = call.model(Account)
        add(accounts, request.source, -request.amount)
        if MEETING is not None and call.session.attempt == 1:
            MEETING.wait(10)
        add(accounts, request.target, request.amount)
        entry = call.as_service().create(Entry(amount=-request.amount, text=request.target), parent=request.source)
        return TransferResponse(entry=entry, attempt=call.session.attempt)

    def snoop(self, call: Call, request: Any) -> Any:
        """One verb."""
        return SnoopResponse(account=act(call.as_service() if request.trusted else call, request))

    def meddle(self, call: Call, request: Any) -> Any:
        """One verb, in a method that may only read."""
        return SnoopResponse(account=act(call.as_service(), request))

    def fail(self, call: Call, request: Any) -> Any:
        """Go wrong."""
        accounts: Any = call.model(Account)
        match request.how:
            case "sql":
                list(accounts.select(SQL("nothing_like_it('" + request.canary + "')")).tuples())
            case "duplicate":
                for number in range(2):
                    accounts.insert(account=f"twin-{number}", display_name="x", code=request.canary).execute()
            case "wrong type":
                accounts.insert(account="typed", display_name="x").execute()
                accounts.update({accounts.balance: Value(request.canary, converter=False)}).execute()
            case "swallowed":
                try:
                    accounts.select(SQL("nothing_like_it()")).tuples().first()
                except Exception:  # noqa: BLE001 - what this is about.
                    return FailResponse()
            case "metadata":
                raise Refusal(Code.ABORTED, "NO_TEXT", domain="workshop.v1", text="no {such} key")
            case "cause":
                try:
                    int(request.canary)
                except ValueError as error:
                    raise Refusal(Code.ABORTED, "WITH_CAUSE", domain="workshop.v1", text="Not now.") from error
            case _:
                raise RuntimeError(request.how)
        return FailResponse()


def add(accounts: Any, name: str, amount: int) -> None:
    """Change a balance where it is, and lock its row."""
    if not accounts.update(balance=accounts.balance + amount).where(accounts.account == name.rpartition("/")[2]).execute():
        raise Fault(Reason.RESOURCE_NOT_FOUND, name=name)


def act(call: Call, request: Any) -> Any:
    """One verb on one account."""
    match request.verb:
        case "get":
            return call.get(Account, request.name)
        case "create":
            return call.create(Account(display_name="made", balance=7), id=request.name.rpartition("/")[2])
        case "update" if request.code:
            return call.update(Account(name=request.name, code=request.code), "code")
        case "update":
            return call.update(Account(name=request.name, note="changed", balance=8), "note", "balance")
        case "delete":
            call.delete(Account, request.name)
        case "model":
            accounts: Any = call.model(Account)
            accounts.update(note="changed").execute()
    return Account()


def end(fate: str, name: str) -> None:
    """As the caller wishes."""
    match fate:
        case "fault":
            raise Fault(Reason.RESOURCE_NOT_FOUND, name=name)
        case "refusal":
            raise Refusal(Code.FAILED_PRECONDITION, "ACCOUNT_FROZEN", domain="workshop.v1", text="'{name}' is frozen.", name=name)
        case "exception":
            raise RuntimeError("a canary in an exception")
        case "exit":
            raise SystemExit("a canary at the exit")

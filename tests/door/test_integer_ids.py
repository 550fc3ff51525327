"""Ids that are numbers: `tickets/42`, through a real port, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from protoplane.contract import names
from tests.door.archive import pb
from tests.door.client import Door, Refused
from tests.door.recording import recorded
from tests.door.service import Service
from tests.door.test_explain import cost
from tests.engines.server import Server

Refuse = Callable[..., Refused]
LARGEST = 2**63 - 1
BAD_IDS = ("0", "042", "+42", "-42", "4.2", "42x", "x42", "４２", "", " 42", str(LARGEST + 1), "9" * 19, "9" * 30)


@pytest.fixture
def tickets(archivist: Door, fresh_id: str) -> list[int]:
    """Numbers of three tickets that no other test knows, of which each is longer than the one before."""
    base = int(fresh_id.removeprefix("x")) * 1_000
    numbers = [base + 9, base * 10 + 5, base * 100 + 1]
    for number in numbers:
        archivist.CreateTicket(ticket_id=str(number), ticket=pb.Ticket(subject=fresh_id))
    return numbers


def numbers_of(listed: Any) -> list[int]:
    return [int(one.name.rpartition("/")[2]) for one in listed]


def test_ids_are_numbers_to_sorts_and_pages(archivist: Door, tickets: list[int], fresh_id: str) -> None:
    for order_by, wanted in (("", tickets), ("name desc", tickets[::-1]), ("subject", tickets), ("subject desc", tickets[::-1])):
        arguments = {"filter": f'subject = "{fresh_id}"', "order_by": order_by}
        found, token = list[int](), ""
        while True:
            page = archivist.ListTickets(page_size=1, page_token=token, **arguments)
            found += numbers_of(page.tickets)
            token = page.next_page_token
            if not token:
                break
        assert found == wanted, order_by


def test_an_id_is_given_in_its_one_spelling(archivist: Door, tickets: list[int], refused: Refuse) -> None:
    for given in BAD_IDS:
        if given:
            bad = refused(archivist.CreateTicket, ticket_id=given, ticket=pb.Ticket())
            assert (bad.code, set(bad.violations)) == ("INVALID_ARGUMENT", {"ticket_id"}), given
        for call in (archivist.GetTicket, archivist.DeleteTicket):
            assert refused(call, name=f"tickets/{given}").reason == "INVALID_NAME", given
        assert refused(archivist.ListComments, parent=f"tickets/{given}").reason == "INVALID_NAME", given
        assert refused(archivist.UpdateTicket, ticket=pb.Ticket(name=f"tickets/{given}")).reason == "INVALID_NAME", given
    assert refused(archivist.CreateTicket, ticket_id=str(tickets[0]), ticket=pb.Ticket()).code == "ALREADY_EXISTS"


def test_the_largest_id_is_kept_exactly(archivist: Door) -> None:
    for number in (LARGEST, LARGEST - 1, 2**53 + 1):
        name = archivist.CreateTicket(ticket_id=str(number), ticket=pb.Ticket(subject="large")).name
        assert name == f"tickets/{number}"
        assert archivist.GetTicket(name=name).name == name
        assert numbers_of(archivist.ListTickets(filter=f'name = "{name}"').tickets) == [number]
        archivist.DeleteTicket(name=name)


def test_ids_that_the_server_makes_are_sorted_by_time(archivist: Door) -> None:
    made = [archivist.CreateTicket(ticket=pb.Ticket()).name for _ in range(5)]
    request = pb.BatchCreateTicketsRequest(requests=[pb.CreateTicketRequest(ticket=pb.Ticket()) for _ in range(50)])
    made += [one.name for one in archivist.BatchCreateTickets(request).tickets]
    ids = [int(name.removeprefix("tickets/")) for name in made]
    assert ids == sorted(set(ids))
    assert all(0 < number <= LARGEST for number in ids)
    assert archivist.GetTicket(name=made[0]).name == made[0]


def test_a_made_id_that_is_taken_is_made_again(archivist: Door, fresh_id: str) -> None:
    taken = archivist.CreateTicket(ticket=pb.Ticket(subject=fresh_id))
    number = int(taken.name.removeprefix("tickets/"))
    with pytest.MonkeyPatch.context() as patch:
        made = iter([number, number, number + 1, number + 2, number + 3])  # As another process might make them.
        patch.setattr("protoplane.method.rows.new_number", lambda: next(made))
        assert archivist.CreateTicket(ticket=pb.Ticket(subject=fresh_id)).name == f"tickets/{number + 1}"
    with pytest.MonkeyPatch.context() as patch:
        made = iter([number + 10, number, number + 11, number + 12])
        patch.setattr("protoplane.method.rows.new_number", lambda: next(made))
        request = pb.BatchCreateTicketsRequest(requests=[pb.CreateTicketRequest(ticket=pb.Ticket(subject=fresh_id)) for _ in range(2)])
        assert numbers_of(archivist.BatchCreateTickets(request).tickets) == [number + 11, number + 12]
    assert archivist.ListTickets(filter=f'subject = "{fresh_id}"').total_size == 4


def test_numbers_of_one_process_are_made_once(archivist: Door) -> None:
    del archivist
    maker = names.NumberMaker()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: [maker.new_id() for _ in range(2_000)], range(4)))
    assert len({number for some in made for number in some}) == 8_000
    assert all(some == sorted(some) for some in made)


def test_children_stand_below_numbers(archivist: Door, tickets: list[int], refused: Refuse) -> None:
    ticket = f"tickets/{tickets[0]}"
    comments = [archivist.CreateComment(parent=ticket, comment=pb.Comment(text=str(n))).name for n in range(3)]
    assert all(name.startswith(f"{ticket}/comments/") for name in comments)
    assert [one.name for one in archivist.ListComments(parent=ticket).comments] == comments
    across = archivist.ListComments(parent="tickets/-", filter=f'name = "{ticket}/comments/*"').comments
    assert [one.name for one in across] == comments
    assert archivist.GetComment(name=comments[1]).text == "1"
    assert refused(archivist.CreateComment, parent="tickets/9223372036854775806", comment=pb.Comment()).code == "NOT_FOUND"
    assert refused(archivist.DeleteTicket, name=ticket).reason == "RESOURCE_HAS_CHILDREN"
    archivist.DeleteTicket(name=ticket, force=True)
    assert refused(archivist.GetComment, name=comments[0]).code == "NOT_FOUND"


def test_references_hold_numbers_and_are_filtered_and_sorted_as_such(
    archivist: Door, tickets: list[int], fresh_id: str, refused: Refuse
) -> None:
    first, second, third = (f"tickets/{number}" for number in tickets)
    archivist.UpdateTicket(ticket=pb.Ticket(name=first, duplicate_of=third))
    archivist.UpdateTicket(ticket=pb.Ticket(name=third, duplicate_of=second))
    assert archivist.GetTicket(name=first).duplicate_of == third
    mine = f'subject = "{fresh_id}" AND '

    def found(condition: str, order_by: str = "") -> list[int]:
        return numbers_of(archivist.ListTickets(filter=mine + condition, order_by=order_by).tickets)

    assert found(f'duplicate_of = "{third}"') == tickets[:1]
    assert found(f'duplicate_of != "{third}"') == tickets[1:], "an unset one is no NULL"
    assert found('duplicate_of = ""') == tickets[1:2]
    assert found("duplicate_of:*") == [tickets[0], tickets[2]]
    assert found('duplicate_of = "tickets/*"') == [tickets[0], tickets[2]]
    assert found('duplicate_of != "tickets/*"') == tickets[1:2]
    assert found('NOT subject = "x"', "duplicate_of") == [tickets[1], tickets[2], tickets[0]]
    for bad in ("tickets/x", "tickets/042", "tickets/4*", f"tickets/{LARGEST + 1}"):
        assert refused(archivist.ListTickets, filter=f'duplicate_of = "{bad}"').reason == "INVALID_FILTER"
        wrong = refused(archivist.UpdateTicket, ticket=pb.Ticket(name=first, duplicate_of=bad))
        assert set(wrong.violations) == {"ticket.duplicate_of"}
    cleared = archivist.UpdateTicket(ticket=pb.Ticket(name=first), update_mask={"paths": ["duplicate_of"]})
    assert cleared.duplicate_of == ""


def test_optional_references_of_two_numbers_are_unset_or_whole(archivist: Door, tickets: list[int]) -> None:
    ticket = f"tickets/{tickets[1]}"
    one = archivist.CreateComment(parent=ticket, comment=pb.Comment(text="a"))
    two = archivist.CreateComment(parent=ticket, comment=pb.Comment(text="b", answers=one.name))
    assert not one.HasField("answers")
    assert archivist.GetComment(name=two.name).answers == one.name
    for order_by, wanted in (("answers", [one.name, two.name]), ("answers desc", [two.name, one.name])):
        first = archivist.ListComments(parent=ticket, order_by=order_by, page_size=1)
        rest = archivist.ListComments(parent=ticket, order_by=order_by, page_size=1, page_token=first.next_page_token)
        assert [one.name for one in (*first.comments, *rest.comments)] == wanted


def test_names_with_numbers_are_found_by_key(archive: Service, archivist: Door, tickets: list[int]) -> None:
    with recorded() as ran:
        archivist.GetTicket(name=f"tickets/{tickets[0]}")
    ((sql, params),) = ran
    assert params == (tickets[0],)
    found = cost(archive.database, sql, params)
    assert not found.scans, found.plan
    if isinstance(archive.database.engine, Server):
        assert found.reads == 1, found.plan

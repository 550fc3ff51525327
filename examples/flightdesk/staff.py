"""Who works at the desks, and what was reported to them. The flights are real; the people, and what they say, are made up."""

from __future__ import annotations

from collections.abc import Mapping

Row = Mapping[str, str]
"""As those of `data.py`."""

GROUPS: tuple[Row, ...] = (
    {"id": "night-shift", "display_name": "Night shift"},
    {"id": "safety-board", "display_name": "Safety board"},
)

DESKS: tuple[Row, ...] = (
    {"id": "ewr", "display_name": "Newark"},
    {"id": "jfk", "display_name": "Kennedy"},
    {"id": "lga", "display_name": "LaGuardia"},
)

REPORTS: tuple[Row, ...] = (
    {
        "parent": "flights/2013-01-09-ha-51-jfk",
        "id": "a-day-late",
        "title": "To Honolulu almost a day late",
        "description": "Passengers were told every hour that it would be one hour more.",
        "tags": '["communication"]',
        "assessment": "We knew at noon that no crew would be there before the morning, and nobody said so.",
    },
    {
        "parent": "flights/2013-01-10-mq-3695-ewr",
        "id": "no-spare",
        "title": "No spare plane to Chicago",
        "description": "Nineteen hours until another one was free.",
        "tags": '["equipment"]',
        "assessment": "The third time with this airline; to be spoken about with its station manager.",
    },
    {
        "parent": "flights/2013-02-08-us-2136-lga",
        "id": "blizzard",
        "title": "Shuttle to Boston cancelled at the gate",
        "description": "Boarded, waited for de-icing, and went back when Boston closed.",
        "tags": '["weather", "de-icing"]',
        "assessment": "Boston said at two that it would close at four. Boarding at five was our mistake.",
    },
)
"""Each goes to the desk of the airport at which its flight departs. What only leads see is `assessment`."""

ROWS = {"Group": GROUPS, "Desk": DESKS, "IncidentReport": REPORTS}
"""By message, in the order in which they are created."""

Relation = tuple[str, str, str]
"""Resource, relation, subject."""

RELATIONS: tuple[Relation, ...] = (
    ("groups/night-shift", "owner", "users/nora"),
    ("groups/night-shift", "member", "users/nils"),
    ("groups/safety-board", "owner", "users/sam"),
    # Ada leads Kennedy, and Bob works there. At night, the night shift looks after all of them.
    ("desks/jfk", "lead", "users/ada"),
    ("desks/jfk", "member", "users/bob"),
    ("desks/jfk", "member", "groups/night-shift#member"),
    ("desks/lga", "lead", "users/carl"),
    ("desks/lga", "member", "groups/night-shift#member"),
    ("desks/ewr", "lead", "users/dora"),
    ("desks/ewr", "member", "groups/night-shift#member"),
    # Shared: a day late is something for the safety board, the want of a plane for Bob, who wants one as well.
    ("flights/2013-01-09-ha-51-jfk/incidentReports/a-day-late", "viewer", "groups/safety-board#member"),
    ("flights/2013-01-10-mq-3695-ewr/incidentReports/no-spare", "viewer", "users/bob"),
)

MADE: Mapping[str, str] = {
    **{f"groups/{group['id']}": "owner" for group in GROUPS},
    **{f"desks/{desk['id']}": "lead" for desk in DESKS},
}
"""What whoever creates groups and desks has of each, and hands over."""

"""What is asked about many flights at once: in our language of filters, and as the SQL that a careful team writes for it by hand."""

from dataclasses import dataclass

PAGE_ROWS = 50
GROUPS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Question:
    """A list of flights through references."""

    name: str
    filter: str
    order_by: str
    condition: str
    """The SQL behind WHERE; `f` is the flight, `a` its airline, `d` its destination."""
    values: tuple[object, ...]
    order: str
    """The SQL behind ORDER BY."""


THROUGH_REFERENCES = (
    Question(
        name="list, few fit",
        filter='airline.display_name = "Airline UA" AND destination.elevation_feet > 5000',
        order_by="scheduled_departure_time",
        condition="a.display_name = %s AND d.elevation_feet > %s",
        values=("Airline UA", 5_000),
        order="f.scheduled_departure_time, f.flight",
    ),
    Question(
        name="list, most fit",
        filter='airline.display_name != "Airline UA" AND destination.elevation_feet < 5000',
        order_by="scheduled_departure_time",
        condition="a.display_name <> %s AND d.elevation_feet < %s",
        values=("Airline UA", 5_000),
        order="f.scheduled_departure_time, f.flight",
    ),
    Question(
        name="list, sorted",
        filter='airline.display_name = "Airline UA"',
        order_by="destination.elevation_feet desc, name",
        condition="a.display_name = %s",
        values=("Airline UA",),
        order="d.elevation_feet DESC, f.flight",
    ),
)
"""One airline in nine, one destination in ten. The first two are sorted by an index, the last by a field behind a reference, which none has."""

GROUP_BY = ("airline", "month(scheduled_departure_time) as month")
AGGREGATES = ("count() as flights", "avg(arrival_delay) as delay")
GROUPS = (
    "SELECT airline, EXTRACT(YEAR_MONTH FROM scheduled_departure_time) AS month, COUNT(*), ROUND(AVG(arrival_delay))"
    " FROM flights GROUP BY airline, month ORDER BY airline, month LIMIT %s"
)
"""How many flights each airline has in each month, and how late they are in the mean."""

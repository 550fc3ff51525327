"""What is in the museum, and what the oracle is told about its contract."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.door.client import Door
from tests.door.museum import pb
from tests.door.museum.rows import STRINGS, Maker
from tests.door.museum.schema import Schema

COUNTRIES, ARTISTS, HALLS, EXHIBITS = 6, 8, 2, 90
_ARTISTS = ("", *(f"artists/a{n}" for n in range(ARTISTS)), "artists/gone")
_COUNTRIES = ("", *(f"countries/c{n}" for n in range(COUNTRIES)), "countries/gone")
_COPIES = ("", *(f"halls/h0/exhibits/e{n}" for n in range(0, EXHIBITS, 9)), "halls/h1/exhibits/e0", "halls/h0/exhibits/gone")
_HIDDEN = ("etag", "password", "draft", "vault", "any", "tree")


@cache
def museum() -> Schema:
    """The museum's."""
    hidden = frozenset(f"museum.v1.{message}.{name}" for message in ("Country", "Exhibit") for name in _HIDDEN)
    references = {
        "Country.name": "Country", "Artist.name": "Artist", "Hall.name": "Hall", "Exhibit.name": "Exhibit", "Artist.home": "Country", "Artist.teacher": "Artist",
        "Hall.country": "Country", "Exhibit.artist": "Artist", "Exhibit.lender": "Country", "Exhibit.copy_of": "Exhibit", "Exhibit.Place.country": "Country",
    }  # fmt: skip
    values = {"Country": _COUNTRIES, "Artist": _ARTISTS, "Exhibit": _COPIES}
    named = {path: values[target] for path, target in references.items() if target in values and not path.endswith(".name")}
    return Schema(
        references={f"museum.v1.{path}": target for path, target in references.items()},
        parents={"Exhibit": {"hall": "Hall"}},
        searched={"Exhibit": ("sponsor", "title", "subtitle", "tags")},
        hidden=hidden,
        unfilled=hidden | {f"museum.v1.{message}.name" for message in ("Country", "Artist", "Hall", "Exhibit")},
        values={f"museum.v1.{path}": found for path, found in named.items()}
        | {"museum.v1.Exhibit.sponsor": ("", "sponsors/s"), "museum.v1.Exhibit.label": STRINGS[:8]},
        names={
            "Country": ("countries/c1", "countries/c2", '"countries/*"', "countries/c*", "countries/gone", '""'),
            "Artist": ("artists/a1", '"artists/*"', "artists/a*", "artists/gone", '""'),
            "Hall": ("halls/h0", "halls/*", '""'),
            "Exhibit": (
                "halls/h0/exhibits/e9", "halls/h0/exhibits/e1*", '"halls/*/exhibits/*"', "halls/h*/exhibits/e0", "halls/h1/exhibits/*", '""',
            ),
        },
    )  # fmt: skip


def load(door: Door, seed: int = 5) -> dict[str, Any]:
    """Create everything; gives it by name, as the service tells it."""
    maker = Maker(seed, museum())
    stored = [door.CreateCountry(country_id=f"c{number}", country=maker.message(pb.Country())) for number in range(COUNTRIES)]
    stored += [door.CreateArtist(artist_id=f"a{number}", artist=maker.message(pb.Artist())) for number in range(ARTISTS)]
    stored += [door.CreateHall(hall_id=f"h{number}", hall=maker.message(pb.Hall())) for number in range(HALLS)]
    for hall, count in (("h1", 1), ("h0", EXHIBITS)):
        requests = [
            pb.CreateExhibitRequest(parent=f"halls/{hall}", exhibit_id=f"e{number}", exhibit=maker.message(pb.Exhibit()))
            for number in range(count)
        ]
        stored += door.BatchCreateExhibits(parent=f"halls/{hall}", requests=requests).exhibits
    return {message.name: message for message in stored}

"""What clients of foreign contracts do: nested values, masks, filters, orders, custom methods, names as they were before IDENTIFIER."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from protoplane.cli.main import main
from tests.door.client import Refused
from tests.engines import Database
from tests.foreign import Guest, project, served

TENANT = "projects/p/tenants/t"
PLACE = "projects/p/locations/l"
EVERYWHERE = "projects/-/locations/-"

JOB: dict[str, Any] = {
    "requisition_id": "r1", "title": "Baker", "description": "Bakes bread", "addresses": ["A 1", "B 2"],
    "compensation_info": {"entries": [
        {"type": "BASE", "unit": "HOURLY", "amount": {"currency_code": "CHF", "units": "30", "nanos": 500_000_000}},
        {"range": {"max_compensation": {"units": "9"}}},
    ]},
    "custom_attributes": {"tool": {"string_values": ["oven"], "long_values": ["3"], "filterable": True}},
    "employment_types": ["FULL_TIME", "PART_TIME"], "visibility": "ONLY_ME", "work_days": ["MONDAY"],
    "start_date": {"year": 2024, "month": 5, "day": 1}, "daily_start": {"hours": 7}, "interview": {"year": 2024, "utc_offset": "3600s"},
    "place": {"lat_lng": {"latitude": 47.5, "longitude": 8.5}, "postal_address": {"region_code": "CH", "address_lines": ["x", "y"]}},
    "open": {"start_time": "2024-05-01T00:00:00Z"}, "badge_color": {"red": 1.0, "alpha": 0.5},
    "from": "f", "class": "k", "global": True, "lambda": "l", "order": 4, "select": "s", "is": False, "group": "g", "key": "kk", "yield": "y",
}  # fmt: skip
"""With an alias of an enum, and fields called as words of Python and of SQL."""

JOBS = [
    ('place.postal_address.region_code = "CH"', "bc"), ("place.lat_lng.latitude > 40", "bc"), ("start_date.year = 2024", "bc"),
    ("daily_start.hours >= 7", "bcz"), ("visibility = ONLY_ME", "bcz"), ("visibility = ACCOUNT_ONLY", "bcz"), ("employment_types:FULL_TIME", "bcz"),
    ("work_days:TUESDAY", ""), ("custom_attributes:tool", "bcz"), ("custom_attributes.tool.filterable = true", "bcz"),
    ("custom_attributes.tool.string_values:oven", "bcz"), ("compensation_info.entries.amount.units:30", "bcz"),
    ("compensation_info.entries.range.max_compensation.units:8", ""), ('company.display_name = "Mill"', "bcz"), ('from = "f"', "bcz"),
    ("class = k", "bcz"), ("global = true", "bcz"), ("lambda:l", "bcz"), ("order > 4", "c"), ("select = s -group = h", "bcz"), ("is = false", "bcz"),
    ("NOT is:*", ""), ("key:kk", "bcz"), ("yield:*", "bz"), ("in = 5", "c"), ("NOT place:*", "z"), ('open.start_time > "2024-01-01T00:00:00Z"', "bc"),
    ("interview.utc_offset = 3600s", "bcz"), ("badge_color.alpha = 0.5", "bcz"), ('addresses:"A 1"', "bcz"), ("badge_color.alpha:* -yield:*", "c"),
    ("company.external_id = mill title = Cook", "c"), ("NOT compensation_info.annualized_base_compensation_range.max_compensation.units:*", "bcz"),
]  # fmt: skip
ORDERS = [
    ("place.lat_lng.latitude desc, title", "bcz"), ("company.display_name, title desc", "zcb"), ("order desc, title", "cbz"),
    ("start_date.year, title", "zbc"), ("interview.utc_offset,title desc", "zcb"), ("yield, title desc", "czb"),
]  # fmt: skip


def test_jobs_with_messages_of_google_type_are_kept_filtered_sorted_and_changed(tmp_path: Path, database: Database) -> None:
    with served(project(tmp_path / "talent", "talent", database.url)) as guest:
        mill = guest.call("CreateCompany", parent=TENANT, company={"display_name": "Mill", "external_id": "mill", "size": "BIG"})["name"]
        baker = {**JOB, "company": mill}
        cook = {**{name: value for name, value in baker.items() if name != "yield"}, "title": "Cook", "order": 9, "in": "5"}
        cleaner = {name: value for name, value in baker.items() if name not in {"place", "start_date", "open"}} | {"title": "Zealous"}
        made = [guest.call("CreateJob", parent=TENANT, job=job) for job in (baker, cook, cleaner)]
        assert {name: made[0].get(name) for name in baker} == {**baker, "visibility": "ACCOUNT_ONLY"}  # The first name of the number.
        letters = {one["name"]: one["title"][0].lower() for one in made}

        def found(**fields: Any) -> str:
            jobs = guest.call("ListJobs", parent="projects/-/tenants/-", **fields).get("jobs", ())
            return "".join(letters[job["name"]] for job in jobs)

        for text, expected in JOBS:
            assert sorted(found(filter=text)) == sorted(expected), text
        for order, expected in ORDERS:
            assert found(filter="title:*", order_by=order) == expected, order
        changes_of_masks(guest, made[0])


def changes_of_masks(guest: Guest, job: dict[str, Any]) -> None:
    """One path after the other changes what it names, and no more."""
    name, state = job["name"], dict(job)
    for mask, body, change in (
        ("place.latLng.latitude", {"place": {"lat_lng": {"latitude": 1.0}}}, {"place": {**JOB["place"], "lat_lng": {"latitude": 1.0, "longitude": 8.5}}}),
        ("customAttributes,compensationInfo.entries", {}, {"custom_attributes": None, "compensation_info": {}}),
        ("in", {"in": "7"}, {"in": "7", "yield": None}),
        ("class,from", {"class": "zz"}, {"class": "zz", "from": None}),
        ("startDate.year", {"start_date": {"year": 1999}}, {"start_date": {"year": 1999, "month": 5, "day": 1}}),
        ("startDate", {"start_date": {"month": 2}}, {"start_date": {"month": 2}}),
    ):  # fmt: skip
        state |= change
        answer = guest.call("UpdateJob", job={"name": name, **body}, update_mask=mask)
        assert answer == {key: value for key, value in state.items() if value is not None}, mask
        assert guest.call("GetJob", name=name) == answer


REPOSITORY: dict[str, Any] = {
    "format": "DOCKER", "labels": {"env": "prod", "a b": "x", "weird.key": "1"}, "maven_config": {"version_policy": "RELEASE"},
    "limits": {"max_files": 3, "timeout": "90s", "strict": False, "quotas": {"7": {"used": "9007199254740993", "allowed": 4294967295, "tier": "LEGACY"}}},
    "settings": {"a": {"b": 3.0, "c": [1.0]}, "word": "abc", "none": None}, "extras": {"x": 5.0, "z": {"q": [True]}}, "note": "", "tier": "LEGACY",
    "details": [{"@type": "type.googleapis.com/google.protobuf.Duration", "value": "3s"}],
    "tree": {"label": "r", "children": [{"label": "c", "children": [{"label": "d"}]}]}, "size_bytes": "0", "delta": -5, "stamp": "-9", "ratio": 0.1,
    "score": 2500.0, "digest": "AP8=", "scans": ["2024-05-01T12:00:00Z"], "list": [1.0, "a", None], "flags": {"true": "yes"},
    "by_team": {"t": {"used": "1", "tier": "PAID"}}, "blobs": {"k": "YQ=="},
}  # fmt: skip

REPOSITORIES = [
    ("labels.env = prod", "one"), ("labels:env", "one two"), ("NOT labels.env = prod", "two"), ('labels."weird.key" = "1"', "one"), ('labels."a b":x', "one"),
    ("limits.max_files = 3 limits.strict = false limits.strict:*", "one"), ("limits.timeout >= 90s", "one"), ("limits.quotas.7.used > 9007199254740992", "one"),
    ("limits.quotas:7 AND limits.quotas.7.tier = LEGACY", "one"), ("settings.a.b = 3", "one"), ("settings.word = abc", "one"), ("details:*", "one"),
    ('note = ""', "one"), ("NOT note:*", "two far"), ("tier = (LEGACY OR PAID)", "one far"), ("tier = -1 OR tier = PAID", None), ("tree:*", "one"),
    ("size_bytes = 0", "one"), ("size_bytes:*", "one far"), ("delta = -5", "one"), ("delta = (-5 OR 3)", "one"), ("stamp < -8", "one"), ("ratio = 0.1", "one"),
    ("score = 2.5e3", "one"), ('digest = "AP8="', "one"), ('scans:"2024-05-01T12:00:00Z"', "one"), ("flags.true = yes", "one"), ("by_team.t.tier = PAID", "one"),
    ("maven_config:*", "one"), ("maven_config.version_policy = RELEASE", "one"), (f'name = "{PLACE}/repositories/*"', "one two"), ("format != DOCKER", "two far"),
]  # fmt: skip


def test_repositories_with_maps_structs_wrappers_and_trees_are_kept_filtered_and_moved(tmp_path: Path, database: Database) -> None:
    folder = project(tmp_path / "registry", "registry", database.url)
    with served(folder) as guest:
        made = guest.call("CreateRepository", parent=PLACE, repository_id="one", repository=REPOSITORY)
        assert {name: made.get(name) for name in REPOSITORY} == REPOSITORY
        guest.call("CreateRepository", parent=PLACE, repository_id="two", repository={"labels": {"env": "dev"}, "format": "NPM"})
        guest.call("CreateRepository", parent="projects/q/locations/l", repository_id="far", repository={"tier": "PAID", "size_bytes": "9"})
        for text, expected in REPOSITORIES:
            if expected is None:
                with pytest.raises(Refused, match="has no value '-1'"):
                    guest.call("ListRepositories", parent=EVERYWHERE, filter=text)
            else:
                assert guest.filtered("ListRepositories", "repositories", parent=EVERYWHERE, filter=text) == set(expected.split()), text
        listed = guest.call("ListRepositories", parent=EVERYWHERE, return_partial_success=True)
        assert "unreachable" not in listed
        moved(guest, folder, listed["repositories"])


def moved(guest: Guest, folder: Path, rows: list[dict[str, Any]]) -> None:
    """What is exported and imported is what was there, below parents that nobody stores."""

    def run(*words: str) -> str:
        options = ("--target", guest.target, "--project", str(folder))
        ran = CliRunner().invoke(main, [*words, *options], env={"PROTOPLANE_TOKEN": guest.token}, catch_exceptions=False)
        return f"{ran.exit_code} {ran.output}"

    file = str(folder / "rows.ndjson")
    assert f"with --parent, or all with --parent {EVERYWHERE}\n" in run("export", "Repository")
    assert run("export", "ProjectSettings").startswith("1 Error: ProjectSettings is a singleton, which has no List method (AIP-156)")
    assert run("export", "Repository", "--parent", EVERYWHERE, "--output", file) == "0 3 rows of Repository written\n"
    for row in rows:
        guest.call("DeleteRepository", name=row["name"])
    assert run("import", "Repository", file).startswith("0 3 rows of Repository created")
    again = guest.call("ListRepositories", parent=EVERYWHERE)["repositories"]
    made = {"uid", "etag", "create_time", "update_time"}
    assert [{key: row[key] for key in row.keys() - made} for row in again] == [{key: row[key] for key in row.keys() - made} for row in rows]


def test_a_name_that_is_output_only_says_which_secret_is_changed(tmp_path: Path, database: Database) -> None:
    with served(project(tmp_path / "secrets", "secrets", database.url)) as guest:
        automatic: dict[str, Any] = {"automatic": {}}
        made = guest.call(
            "CreateSecret", parent="projects/p", secret_id="s", secret={"name": "projects/x/secrets/y", "replication": automatic}
        )
        assert made["name"] == "projects/p/secrets/s"
        changed = guest.call(
            "UpdateSecret",
            secret={"name": made["name"], "labels": {"a": "b"}, "replication": automatic},
            update_mask="labels,replication,name",
        )
        assert (changed["name"], changed["labels"]) == (made["name"], {"a": "b"})
        with pytest.raises(Refused, match=r"secret\.replication"):
            guest.call("UpdateSecret", secret={"name": made["name"], "replication": {"user_managed": {}}}, update_mask="replication")
        version = guest.call("AddSecretVersion", parent=made["name"], payload={"data": "AA=="})
        assert guest.call("AccessSecretVersion", name=version["name"])["name"] == version["name"]
        assert guest.call("DisableSecretVersion", name=version["name"], etag=version["etag"])["state"] == "DISABLED"
        with pytest.raises(Refused, match="ETAG_MISMATCH"):
            guest.call("EnableSecretVersion", name=version["name"], etag=version["etag"])
        listed = guest.call("ListSecretVersions", parent="projects/p/secrets/-", filter="state = DISABLED")
        assert (listed["total_size"], listed["versions"][0]["name"]) == (1, version["name"])


def test_books_are_moved_and_shelves_merged(tmp_path: Path, database: Database) -> None:
    with served(project(tmp_path / "books", "books", database.url)) as guest:
        one, other = (guest.call("CreateShelf", shelf={"theme": theme})["name"] for theme in ("Poetry", "Prose"))
        for title in ("Emma", "Ulysses"):
            guest.call("CreateBook", parent=other, book={"name": "ignored", "title": title, "read": True})
        first = guest.call("ListBooks", parent=other)["books"][0]
        assert guest.call("MoveBook", name=first["name"], other_shelf_name=one)["name"].startswith(f"{one}/books/")
        assert guest.call("MergeShelves", name=one, other_shelf=other)["theme"] == "Poetry"
        assert {book["title"] for book in guest.call("ListBooks", parent=one)["books"]} == {"Emma", "Ulysses"}
        with pytest.raises(Refused) as gone:
            guest.call("ListBooks", parent=other)
        assert gone.value.code == "NOT_FOUND"

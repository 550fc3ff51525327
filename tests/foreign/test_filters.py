"""What filters of AIP-160 mean, on every engine, through the door: its own examples, with the fields of a foreign contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.door.client import Refused
from tests.engines import Database
from tests.foreign import project, served

PLACE = "projects/p/locations/l"

ROWS: dict[str, dict[str, Any]] = {
    "a": {
        "description": "alpha, world", "size_bytes": "10", "score": 2500.0, "limits": {"timeout": "20s", "max_files": 3}, "tier": "PAID", "format": "DOCKER",
        "labels": {"env": "prod", "a.b": "1"}, "scans": ["2012-04-21T15:30:00Z"], "by_team": {"x": {"used": "42"}}, "settings": {"foo": 42, "deep": {"on": True}, "a": {"c": [1]}},
        "maven_config": {"allow_snapshot_overwrites": True}, "note": "",
    },
    "b": {"description": "beta", "size_bytes": "100", "score": -2.5, "labels": {"env": "dev"}, "tier": "FREE", "format": "NPM", "maven_config": {}},
    "c": {"description": "Alpha", "delta": -30, "limits": {"timeout": "1.2s"}, "by_team": {"x": {"used": "7"}, "y": {"used": "42"}}, "note": "*"},
    "d": {"description": "über 100%_\\", "size_bytes": "0", "labels": {"ENV": "prod"}, "settings": {"foo": "42"}, "tier": "LEGACY"},
}  # fmt: skip

MEANT = [
    # OR binds tighter than AND and than a space; NOT and - are the same.
    ("tier = FREE OR tier = PAID AND size_bytes = 100", "b"), ("size_bytes = 100 AND tier = FREE OR tier = PAID", "b"), ("size_bytes = 100 tier = PAID OR tier = FREE", "b"),
    ("(tier = PAID AND size_bytes = 10) OR tier = FREE", "ab"), ("NOT (tier = PAID OR tier = FREE)", "cd"), ("-(tier = PAID OR tier = FREE)", "cd"),
    ("-tier = PAID -tier = FREE", "cd"), ("NOT tier = PAID OR size_bytes = 10", "abcd"), ("NOT (NOT tier = PAID)", "a"), ("tier != PAID", "bcd"),
    # Numbers.
    ("size_bytes < 10 OR size_bytes >= 100", "bd"), ("score = 2.5e3", "a"), ("score = 2.5E+3", "a"), ("score >= -2.5", "ab"), ("score = (-2.5)", "b"), ("delta = -30", "c"),
    ("-delta = -30", "abd"), ("delta:-30", "c"), ("limits.max_files > 2.5", "a"), ("ratio = -0", "abcd"), ("size_bytes > -1e400", "abd"),
    # Text: exact, wildcards, has.
    ('description = "alpha, world"', "a"), ("description = Alpha", "c"), ('description = "al*"', "a"), ('description = "*world"', "a"), ('description = "*l*a*"', "ac"),
    ("description:world", "a"), ("description:LPHA", ""), ('description:"100%_"', "d"), (r'description:"\\"', "d"), ("description:über", "d"), ('description != "*a"', "ad"),
    (r'note = "\*"', "c"), ('note = "*"', "ac"), ("note:*", "ac"), ('note = ""', "a"), ("NOT note:*", "bd"),
    # Functions, called both ways.
    ("endsWith(description, 'world')", "a"), ("(description.endsWith('world') AND size_bytes < 11)", "a"), ("NOT description.startsWith('a')", "bcd"),
    ("description.length() = 4", "b"), ("labels.size() > 0", "abd"), ("scans.size() = 1", "a"), ("limits.timeout = duration('20s')", "a"),
    ('limits.timeout < duration("20s")', "c"), ('create_time > timestamp("2012-04-21T11:30:00-04:00") tier = PAID', "a"), ("create_time <= now()", "abcd"),
    # Times and durations.
    ("limits.timeout = 20s OR limits.timeout=1.2s", "ac"), ("limits.timeout > 1s", "ac"), ("limits.timeout > '1.3s'", "a"), ('create_time > "2012-04-21T11:30:00-04:00"', "abcd"),
    ("create_time < 2012-04-21T11:30:00Z", ""), ("scans:2012-04-21T11:30:00-04:00", "a"),
    # Has: maps, messages, their values and presence; what is unset on the way matches nothing, not even !=.
    ("labels:env", "ab"), ("labels.env:*", "ab"), ("labels.env:prod", "a"), ("labels.env = prod", "a"), ("labels.env != prod", "b"), ("NOT labels.env:*", "cd"),
    ("labels.ENV = prod", "d"), ('labels."a.b" = 1', "a"), ("by_team.x.used:42", "a"), ("by_team.x.used != 42", "c"), ("by_team:y", "c"), ("settings:foo", "ad"),
    ("settings.foo = 42", "a"), ('settings.foo = "42"', "d"), ("settings.foo:42", "a"), ("settings.deep.on = true", "a"), ("settings.deep.on:*", "a"),
    ("settings.deep:on", "a"), ("settings.a.c:1", "a"), ("settings.a.c:2", ""), ("NOT settings.a.c:2", "a"), ("settings.a:c", "a"),
    ("limits.max_files:*", "a"), ("limits:*", "ac"), ("NOT limits:*", "bd"), ("limits.max_files != 4", "a"), ("limits.timeout != 20s", "c"), ("size_bytes:*", "abd"),
    ("size_bytes = 0", "d"), ("maven_config:*", "ab"), ("maven_config.allow_snapshot_overwrites = false", "b"), ("maven_config.allow_snapshot_overwrites:*", "a"),
    # Enums and truths by their names; lists of values.
    ("format = DOCKER", "a"), ("format:DOCKER", "a"), ("tier = (PAID OR LEGACY)", "ad"), ("tier != (PAID OR LEGACY)", "bc"), ("description:(a -t)", "ac"),
    ("maven_config.allow_snapshot_overwrites = true", "a"),
    # Spelling.
    ("tier=PAID", "a"), ("\ttier\n=\r\nPAID ", "a"), ("tier\u00a0=\u00a0PAID", "a"), ('"tier" = "PAID"', "a"), ("((tier = PAID))", "a"), ("", "abcd"),
]  # fmt: skip

REFUSED = [
    ("tier = paid", "has no value 'paid'; it has TIER_UNSPECIFIED, FREE"), ("tier = 10", "has no value '10'"), ("reconciling = TRUE", "true or false"), ("size_bytes = '10'", "a whole number without quotes"),
    ("titel = x", "has no field 'titel'"), ("descripton = x", "did you mean 'description'"), ("1 > 0", "has no field '1'"), ("scans[0] = x", "has no field 'scans[0]'"),
    ("scans.0:x", "cannot be addressed by their index"), ("create_time > yesterday", "a time such as"), ("create_time > 2012-02-30T00:00:00Z", "there is no day"),
    ("limits.timeout = 20", "a duration such as"), ("limits = x", "is a message"), ("labels = env", "is a map"), ("tier > FREE", "has no order"),
    ("cohort(description)", "there is no function 'cohort'"), ("description.matches('a')", "there is no function 'description.matches'"), ("time.now()", "must be compared"),
    ("description = timestamp('2012-04-21T11:30:00Z')", "is a timestamp, and 'description' holds none"), ("create_time = duration('3s')", "is a duration"),
    ("create_time > timestamp(now)", "a text in quotes is expected"), ("timestamp('2012-04-21T11:30:00Z')", "must be compared"), ("New York Giants", "is compared with nothing"),
    ("tier = PAID and size_bytes = 10", "written in capitals"), ("description = 'it''s'", "a space, AND or OR"),
]  # fmt: skip


def test_a_filter_means_what_the_aip_says(tmp_path: Path, database: Database) -> None:
    with served(project(tmp_path / "registry", "registry", database.url)) as guest:
        for name, row in ROWS.items():
            guest.call("CreateRepository", parent=PLACE, repository_id=name, repository=row)
        wrong = {}
        for text, expected in MEANT:
            try:
                found = guest.filtered("ListRepositories", "repositories", parent=PLACE, filter=text)
            except Refused as refusal:
                wrong[text] = refusal.message
                continue
            if found != set(expected):
                wrong[text] = "".join(sorted(found))
        assert not wrong
        for text, problem in REFUSED:
            with pytest.raises(Refused) as caught:
                guest.call("ListRepositories", parent=PLACE, filter=text)
            assert caught.value.reason == "INVALID_FILTER"
            assert problem in caught.value.message, text

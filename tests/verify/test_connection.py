"""How a server is reached: certificates of both sides, metadata, and what is said when it is not."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from protoplane.cli.main import main
from tests.edge.authority import Authority
from tests.verify.foreign import serving
from tests.verify.test_foreign import verify, wrong

ONLY = ("--only", "19")


def test_certificates_of_both_sides(tmp_path: Path) -> None:
    authority = Authority()
    server, client = authority.issue("127.0.0.1"), authority.issue("somebody")
    client.write(tmp_path, "client")
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    credentials = grpc.ssl_server_credentials([(server.key, server.certificate)], authority.pem, require_client_auth=True)
    with serving(credentials=credentials) as (target, attic):
        trust = ("--cacert", f"{tmp_path}/ca.pem")
        ran, found = verify(target, tmp_path, *ONLY, *trust, "--cert", f"{tmp_path}/client.pem", "--key", f"{tmp_path}/client.key")
        assert (ran.exit_code, wrong(found), attic.rows) == (0, set(), {})
        assert found["counts"]["pass"] == 6
        stranger = CliRunner().invoke(main, ["verify", target, *trust, "--timeout", "2"])
    assert stranger.exit_code == 1
    assert "cannot be asked what it serves: UNAVAILABLE" in stranger.output


def test_metadata_goes_with_every_call(tmp_path: Path) -> None:
    with serving(key="sesame") as (target, _):
        ran, found = verify(target, tmp_path, *ONLY, "--header", "X-Attic-Key: sesame")
        assert (ran.exit_code, wrong(found), found["counts"]["pass"]) == (0, set(), 6)
        without = CliRunner().invoke(main, ["verify", target])
    assert (without.exit_code, "UNAUTHENTICATED: no key" in without.output) == (1, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cert", __file__], "--cert and --key belong together"),
        (["--header", "nothing"], "is not NAME:VALUE"),
        (["--only", "Nothing"], "the server has no nothing; it has Box, Thing"),
        (["--data", __file__], "test_connection.py: "),
    ],
)
def test_misuse_is_told_before_anything_is_called(words: list[str], said: str) -> None:
    with serving() as (target, attic):
        ran = CliRunner().invoke(main, ["verify", target, *words])
        assert attic.rows == {}
    assert ran.exit_code in {1, 2}
    assert said in ran.output

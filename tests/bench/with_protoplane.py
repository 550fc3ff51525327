"""Protoplane itself: the example as `protoplane serve` serves it in production, with authentication, on tables that it has made."""

import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from protoplane.identity.tokens import Signer
from tests.bench.contract import PROJECT, ROOT
from tests.bench.serving import NotServing, Serving, process, ready
from tests.engines.server import free_port

TOKEN_SECONDS = 3_600
ISSUER, AUDIENCE, SUBJECT = "bench", "flightdesk", "developer"
"""The example's configuration grants everything to the subject."""
PROTOPLANE = (sys.executable, "-c", "from protoplane.cli.main import main; main()")


@contextmanager
def serve(url: str, *, project: Path = PROJECT, name: str = "ours", signer: Signer | None = None) -> Iterator[Serving]:
    """Serve a database that `migrated` has prepared, to whom the signer gives tokens."""
    signer = signer or Signer.new()
    port = free_port()
    with _environment(url, signer) as environment:
        environment["PROTOPLANE_SERVER_ADDRESS"] = f"127.0.0.1:{port}"
        with process([*PROTOPLANE, "serve", "--project", str(project)], environment) as (started, log):
            yield ready(Serving(name, port, started.pid, credentials(signer)), started, log)


def credentials(signer: Signer, subject: str = SUBJECT) -> dict[str, str]:
    """What calls of a subject carry."""
    token = signer.mint(subject=subject, issuer=ISSUER, audience=AUDIENCE, seconds=TOKEN_SECONDS)
    return {"authorization": f"Bearer {token}"}


def migrated(url: str, project: Path = PROJECT) -> None:
    """Make the contract's tables. Raises NotServing."""
    with _environment(url, Signer.new()) as environment:
        command = [*PROTOPLANE, "migrate", "--apply", "--project", str(project)]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise NotServing(f"`protoplane migrate --apply` failed:\n{ran.stdout}{ran.stderr}")


@contextmanager
def _environment(url: str, signer: Signer) -> Iterator[dict[str, str]]:
    """What `serve` demands to be told, beside the example's own configuration."""
    with tempfile.TemporaryDirectory(prefix="protoplane-bench-") as folder:
        page_token_keys = Path(folder) / "page_token_keys"
        page_token_keys.touch(mode=0o600)
        page_token_keys.write_bytes(base64.b64encode(secrets.token_bytes(32)) + b"\n")
        yield {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "server"), os.environ.get("PYTHONPATH", "")]),
            "PROTOPLANE_DATABASE_URL": url,
            "PROTOPLANE_AUTH_ISSUER": ISSUER,
            "PROTOPLANE_AUTH_AUDIENCE": AUDIENCE,
            "PROTOPLANE_AUTH_KEYS": json.dumps(signer.jwks()),
            "PROTOPLANE_PAGE_TOKENS_KEYS": str(page_token_keys),
            "PROTOPLANE_METRICS_ADDRESS": "127.0.0.1:0",
        }

"""What `grpcurl` shows and does: the line that development prints, descriptions with comments and rules, rich errors."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.door.service import Service


def run(grpcurl: Path, served: Service, *arguments: str, token: str = "") -> subprocess.CompletedProcess[str]:
    authorization = ["-H", f"authorization: Bearer {token}"] if token else []
    head = [arguments[0]] if arguments[0].startswith("-") else []
    command = [
        str(grpcurl),
        "-plaintext",
        *authorization,
        *(arguments[:2] if head else ()),
        f"127.0.0.1:{served.app.port}",
        *arguments[2 if head else 0 :],
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_every_service_is_listed_and_describable(grpcurl: Path, served: Service) -> None:
    services = run(grpcurl, served, "list").stdout.split()
    assert {"library.v1.Library", "library.v1.Cabinet", "grpc.health.v1.Health"} <= set(services)
    for service in services:
        described = run(grpcurl, served, "describe", service)
        assert described.returncode == 0, described.stderr
        assert "rpc " in described.stdout


def test_describe_shows_comments_behaviours_and_rules(grpcurl: Path, served: Service) -> None:
    service = run(grpcurl, served, "describe", "library.v1.Library").stdout
    assert "// Reads a publisher." in service
    assert '(.protoplane.v1.rule) = { permission:"publishers.get" }' in " ".join(service.split()).replace(": ", ":")
    book = run(grpcurl, served, "describe", "library.v1.Book").stdout
    assert "// How often it was lent; counted here." in book
    assert "(.google.api.field_behavior) = OUTPUT_ONLY" in book
    assert "publishers/{publisher}/books/{book}" in book


def test_a_call_as_pasted_and_a_rich_error(grpcurl: Path, served: Service, publisher: str) -> None:
    token = served.door().token
    listed = run(grpcurl, served, "-d", '{"pageSize":2}', "library.v1.Library/ListPublishers", token=token)
    assert listed.returncode == 0, listed.stderr
    assert len(json.loads(listed.stdout)["publishers"]) <= 2
    bad = run(grpcurl, served, "-d", json.dumps({"parent": publisher, "filter": "pages > 3"}), "library.v1.Library/ListBooks", token=token)
    assert "InvalidArgument" in bad.stderr
    assert "google.rpc.ErrorInfo" in bad.stderr
    assert "INVALID_FILTER" in bad.stderr
    assert "field_violations" in bad.stderr
    refused = run(grpcurl, served, "-d", "{}", "library.v1.Library/ListPublishers")
    assert "Unauthenticated" in refused.stderr


def test_health_is_told_for_the_server_and_each_service(grpcurl: Path, served: Service, door: Any) -> None:
    for service in ("", "library.v1.Library"):
        told = run(grpcurl, served, "-d", json.dumps({"service": service}), "grpc.health.v1.Health/Check")
        assert json.loads(told.stdout) == {"status": "SERVING"}

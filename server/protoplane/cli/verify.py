"""`protoplane verify`: whether a gRPC server behaves as the AIPs say, whoever made it."""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from protoplane.base import config, limits
from protoplane.cli.project import failure

if TYPE_CHECKING:
    import grpc

    from protoplane.verify.exchange import Bounds, Caller
    from protoplane.verify.run import Chosen, Outcome, Result

COLOURS = {"pass": "green", "fail": "red", "should": "yellow", "n/a": None}
A_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
TO_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.command(name="verify")
@click.argument("target", metavar="HOST:PORT")
@click.option(
    "--token",
    envvar="PROTOPLANE_TOKEN",
    default="",
    metavar="TOKEN",
    help="Bearer token; better in PROTOPLANE_TOKEN, where `ps` cannot see it.",
)
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="Metadata of every call (may be repeated).")
@click.option("--plaintext/--tls", default=None, help="Encrypt or not (default: not on this machine, else TLS).")
@click.option("--cacert", type=A_FILE, help="Certificates to trust instead of the system's (PEM).")
@click.option("--cert", type=A_FILE, help="Certificate to show to the server (PEM), with --key.")
@click.option("--key", type=A_FILE, help="Its private key (PEM).")
@click.option("--only", multiple=True, metavar="NUMBER|RESOURCE", help="Checks of this number, or of this resource (may be repeated).")
@click.option("--read-only", is_flag=True, help="Change nothing: only what can be seen by reading is checked.")
@click.option("--leftovers", is_flag=True, help="Make resources that have no Delete method, too; they stay.")
@click.option("--data", type=A_FILE, help="JSON: resource type → a valid resource, with @parent and @id (a pattern) where wanted.")
@click.option("--timeout", default=10.0, show_default=True, type=click.FloatRange(0.05, 600), help="Seconds for one call.")
@click.option("--rate", default=0.0, type=click.FloatRange(0), help="Calls a second at most (default: as many as can be).")
@click.option("--calls", default=50_000, show_default=True, type=click.IntRange(1), help="Calls at most; those that clean up come on top.")
@click.option("--seconds", default=600.0, show_default=True, type=click.FloatRange(1), help="For all checks; cleaning up comes on top.")
@click.option("--seed", default="", metavar="TEXT", help="The same seed gives the same ids and values (default: another each time).")
@click.option("--json", "json_file", type=TO_FILE, help="Write all results, with their exchanges, here.")
@click.option("--junit", "junit_file", type=TO_FILE, help="Write all results as JUnit's XML here.")
@click.option("--quiet", is_flag=True, help="Print only what failed or should be otherwise.")
def command(target: str, **options: Any) -> None:
    """Check whether the gRPC server at HOST:PORT behaves as the AIPs say. It needs reflection, and nothing of Protoplane.

    Its resources are found by annotations, names and shapes; valid data is made for them, below parents made for this, and deleted again.
    The numbers are explained in docs/verify.md. Exit code 1 when a check fails, when something that was made is left, or when
    nothing could be checked.
    """
    from protoplane.verify import report
    from protoplane.verify.target import TargetError

    if bool(options["cert"]) != bool(options["key"]):
        raise click.UsageError("--cert and --key belong together")
    seed = options["seed"] or secrets.token_hex(6)
    try:
        outcome = _verify(target, seed, options)
    except TargetError as trouble:
        raise failure(f"{target}: {trouble}") from trouble
    if options["json_file"]:
        options["json_file"].write_text(report.as_json(outcome, target, seed), encoding="utf-8")
    if options["junit_file"]:
        options["junit_file"].write_text(report.as_junit(outcome, target), encoding="utf-8")
    _end(outcome, seed)


def _verify(target: str, seed: str, options: dict[str, Any]) -> Outcome:
    from protoplane.verify.exchange import Caller
    from protoplane.verify.run import run
    from protoplane.verify.target import read_target
    from protoplane.verify.world import Example, Permits, World

    metadata = tuple(_headers(options))
    examples = {name: Example.of(told) for name, told in _examples(options["data"]).items()}
    with _channel(target, options) as channel:
        found = read_target(channel, metadata, options["timeout"])
        caller = Caller(channel, found.pool, metadata, _bounds(options))
        world = World.of(found, caller, seed, Permits(options["read_only"], options["leftovers"]), examples)
        if not world.kinds:
            raise failure(
                f"{target} serves no resource: no standard method of {', '.join(one.full_name for one in found.services) or 'any service'}"
            )
        with _interrupted_between_calls(caller):
            return run(world, _chosen(options["only"], world), lambda result: _show(result, quiet=options["quiet"]))


def _bounds(options: dict[str, Any]) -> Bounds:
    from protoplane.verify.exchange import Bounds

    return Bounds(options["timeout"], options["calls"], options["seconds"], options["rate"])


def _headers(options: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if options["token"]:
        yield "authorization", f"Bearer {options['token']}"
    for header in options["headers"]:
        name, colon, value = header.partition(":")
        if not colon:
            raise click.BadParameter(f"{header!r} is not NAME:VALUE", param_hint="--header")
        yield name.strip().lower(), value.strip()


def _examples(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise failure(f"{file}: {error}") from error
    if not isinstance(told, dict) or not all(isinstance(one, dict) for one in told.values()):
        raise failure(f'{file} is not a resource for each type: {{"example.com/Book": {{"title": "Emma"}}}}')
    return told


@contextlib.contextmanager
def _channel(target: str, options: dict[str, Any]) -> Iterator[grpc.Channel]:
    """A channel, encrypted unless the target is this machine or `--plaintext` is asked for."""
    import grpc

    settings = [("grpc.max_receive_message_length", 16 * limits.VALUE_BYTES_MAX), ("grpc.enable_retries", 0)]
    plaintext = options["plaintext"]
    if (config.is_loopback(target) and not options["cacert"]) if plaintext is None else plaintext:
        channel = grpc.insecure_channel(target, settings)
    else:
        trusted, key, own = (options[name].read_bytes() if options[name] else None for name in ("cacert", "key", "cert"))
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(trusted, key, own), settings)
    with channel:
        yield channel


@contextlib.contextmanager
def _interrupted_between_calls(caller: Caller) -> Iterator[None]:
    """While this runs, Ctrl-C and SIGTERM wait for the call under way: what it makes must be known to be taken away. A second one does not wait."""

    def interrupt(_number: int, _frame: object) -> None:
        for number in numbers:
            signal.signal(number, at_once)
        caller.stop()

    def at_once(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _chosen(only: tuple[str, ...], world: Any) -> Chosen:
    from protoplane.verify.run import Chosen

    words = (
        [word for text in only for word in text.replace("/", ",").split(",") if word] if not world.kinds.keys() & set(only) else list(only)
    )
    kinds = frozenset(word.lower() for word in words if not word.isdigit())
    known = {name.lower() for kind in world.kinds.values() for name in (kind.title, kind.type, kind.plural)}
    if unknown := kinds - known:
        titles = ", ".join(kind.title for kind in world.kinds.values())
        raise click.BadParameter(f"the server has no {', '.join(sorted(unknown))}; it has {titles}", param_hint="--only")
    return Chosen(frozenset(int(word) for word in words if word.isdigit()), kinds)


def _show(result: Result, *, quiet: bool) -> None:
    from protoplane.verify import report

    word = result.verdict.value
    if quiet and word in {"pass", "n/a"}:
        return
    click.secho(f"{word:<7}", fg=COLOURS[word], nl=False)
    click.echo(report.line(result).removeprefix(f"{word:<7}"))
    for text in report.explanation(result):
        click.echo(f"           {text}")


def _end(outcome: Outcome, seed: str) -> None:
    from protoplane.verify import report
    from protoplane.verify.verdict import Verdict

    click.echo(f"{report.summary(outcome)}; --seed {seed}")
    if outcome.stopped:
        click.echo(f"stopped before the end: {outcome.stopped}", err=True)
    for left in outcome.left:
        click.echo(f"left behind: {left.name}: {left.why}", err=True)
    checked = outcome.count(Verdict.PASS) + outcome.count(Verdict.FAIL) + outcome.count(Verdict.SHOULD)
    if not checked:
        click.echo("nothing could be checked", err=True)
    if outcome.count(Verdict.FAIL) or any(not left.allowed for left in outcome.left) or outcome.stopped or not checked:
        sys.exit(1)

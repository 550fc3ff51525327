"""`protoplane access test`: the tests of `.fga.yaml` files, run by the real engine on a SQLite database of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from protoplane.cli.access_bench import Result

METHODS = ("Checks", "ListObjects", "ListUsers")


@dataclass(slots=True)
class Counts:
    """How many of each method passed, of how many."""

    tests: list[bool] = field(default_factory=list)
    results: dict[str, list[bool]] = field(default_factory=lambda: {method: [] for method in METHODS})

    def add(self, results: Sequence[Result]) -> None:
        """One more test."""
        self.tests.append(all(result.passed for result in results))
        for result in results:
            self.results[result.method].append(result.passed)

    def each(self) -> Iterator[tuple[str, str]]:
        """`3/4 passing` of each method that was asked."""
        for method, passed in self.results.items():
            if passed:
                yield method, f"{sum(passed)}/{len(passed)} passing"

    def summary(self) -> str:
        """As `fga model test` ends."""
        lines = ["# Test Summary #", f"Tests {sum(self.tests)}/{len(self.tests)} passing"]
        return "\n".join([*lines, *(f"{method} {text}" for method, text in self.each())])


@click.command(name="test")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--explain", "explained", is_flag=True, help="Say below each failed check why it is so.")
def command(*, files: tuple[Path, ...], explained: bool) -> None:
    """Run the tests of FILES, which are as OpenFGA's `fga model test` takes them: a model, tuples, check, list_objects, list_users.

    Exit code 1 when a test fails, 2 when a file cannot be used.
    """
    from protoplane.cli.access_bench import Bench
    from protoplane.cli.access_cases import read_store
    from protoplane.cli.access_yaml import BrokenFile

    try:
        stores = [read_store(path) for path in files]
    except BrokenFile as broken:
        click.echo(str(broken), err=True)
        sys.exit(2)
    total = Counts()
    for store in stores:
        with Bench(store, explained=explained) as bench:
            for test in store.tests:
                results = bench.run(test)
                total.add(results)
                click.echo("\n".join(_told(test.name, results)))
    click.echo(f"---\n{total.summary()}")
    sys.exit(0 if all(total.tests) else 1)


def _told(name: str, results: Sequence[Result]) -> Iterator[str]:
    counts = Counts()
    counts.add(results)
    figures = " | ".join(f"{method} ({text})" for method, text in counts.each())
    yield f"({'PASSING' if all(counts.tests) else 'FAILING'}) {name}: {figures or 'nothing asked'}"
    for result in results:
        if not result.passed:
            yield str(result)
            yield from (f"    {line}" for line in result.why)

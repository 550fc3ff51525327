"""Whole tables in and out: what `protoplane export` and `import` take, against plain loops over the same rows and file."""

import csv
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench import rows
from tests.bench.contract import PROJECT, ROOT
from tests.bench.serving import NotServing, Serving
from tests.bench.with_protoplane import PROTOPLANE

ROWS = 336_776
"""As many as the example has."""
SAMPLE_SECONDS = 0.05
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Spent:
    """What moving all rows took."""

    seconds: float
    command_seconds: float
    """Processor time of the command."""
    server_seconds: float
    """Processor time of the server."""
    growth_bytes: int
    """Of the command's memory, from a quarter of the time on."""


def exported(serving: Serving, file: Path) -> Spent:
    """Write all flights to a file."""
    return _run(serving, "export", "Flight", "-o", str(file), "--raw")


def imported(serving: Serving, file: Path) -> Spent:
    """Create all flights of a file."""
    return _run(serving, "import", "Flight", str(file), "--raw")


def _run(serving: Serving, *arguments: str) -> Spent:
    token = serving.metadata["authorization"].removeprefix("Bearer ")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "server"), "PROTOPLANE_TOKEN": token}
    command = [*PROTOPLANE, *arguments, "--project", str(PROJECT), "--target", f"127.0.0.1:{serving.port}"]
    server, mine, begun = serving.processor_seconds(), _children(), time.monotonic()
    sizes: list[int] = []
    with tempfile.TemporaryFile() as said, subprocess.Popen(command, env=environment, stdout=said, stderr=said) as process:
        while process.poll() is None:
            sizes.append(_resident_bytes(process.pid))
            time.sleep(SAMPLE_SECONDS)
        seconds = time.monotonic() - begun
        if process.returncode:
            said.seek(0)
            raise NotServing(f"{' '.join(arguments[:2])} failed:\n{said.read().decode(errors='replace')[-2_000:]}")
    settled = sizes[len(sizes) // 4 : -2] or [0]
    return Spent(seconds, _children() - mine, serving.processor_seconds() - server, max(settled) - settled[0])


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path("/proc", str(pid), "statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return 0


def by_hand(connection: Any, file: Path) -> float:
    """Seconds that a careful script takes to bring the file's rows in: INSERTs of 1,000 rows, a transaction each."""
    begun = time.monotonic()
    cursor = connection.cursor()
    names, marks = ", ".join(rows.COLUMNS), ", ".join(["%s"] * len(rows.COLUMNS))
    sql = f"INSERT INTO flights ({names}) VALUES ({marks})"
    with file.open(encoding="utf-8", newline="") as stream:
        lines = csv.reader(stream)
        at = {name: index for index, name in enumerate(next(lines))}
        batch: list[tuple[Any, ...]] = []
        for cells in lines:
            batch.append(_row(cells, at))
            if len(batch) == 1_000:
                cursor.executemany(sql, batch)
                connection.commit()
                batch.clear()
        if batch:
            cursor.executemany(sql, batch)
            connection.commit()
    return time.monotonic() - begun


def _row(cells: Sequence[str], at: dict[str, int]) -> tuple[Any, ...]:
    def last(name: str) -> str:
        return cells[at[name]].rpartition("/")[2]

    def moment(name: str) -> datetime | None:
        text = cells[at[name]]
        return datetime.fromisoformat(text[:-1]) if text else None

    def micros(name: str) -> int | None:
        text = cells[at[name]]
        return int(float(text[:-1]) * 1e6) if text else None

    now = datetime(2026, 1, 1)  # noqa: DTZ001 - DATETIME columns hold UTC without a zone.
    times = ("scheduled_departure_time", "scheduled_arrival_time", "departure_time", "arrival_time")
    return (
        last("name"), 1, last("airline"), int(cells[at["flight_number"]]), last("origin"), last("destination"), last("plane"),
        cells[at["tail_number"]], *map(moment, times), *map(micros, ("departure_delay", "arrival_delay", "air_time")),
        int(cells[at["distance_miles"]]), 1, now, now,
    )  # fmt: skip


def compare(serving: Serving, connect: Callable[[], Any], rounds: int, *, count: int, absolute: bool) -> None:
    """Print what export takes of a core, and import of the time that a script by hand takes."""
    exports, imports, hands = list[Spent](), list[Spent](), list[float]()
    with tempfile.TemporaryDirectory(prefix="protoplane-bench-") as folder, connect() as connection:
        file = Path(folder) / "flights.csv"
        for _ in range(rounds):
            exports.append(exported(serving, file))
            _empty(connection)
            hands.append(by_hand(connection, file))
            _empty(connection)
            imports.append(imported(serving, file))
    for what, spent in (("export", exports), ("import", imports)):
        rates = [count / max(one.command_seconds, one.server_seconds) for one in spent]
        print(
            f"{what:<12}{statistics.median(rates):>12,.0f} rows a second of each core"
            f" (command {statistics.median(count / one.command_seconds for one in spent):,.0f},"
            f" server {statistics.median(count / one.server_seconds for one in spent):,.0f});"
            f" memory of the command grew by {max(one.growth_bytes for one in spent) / MEBIBYTE:.0f} MiB",
            flush=True,
        )
    ratio = statistics.median(one.seconds / hand for one, hand in zip(imports, hands, strict=True))
    print(f"{'import':<12}{ratio:>12.2f} of the time that INSERTs of 1,000 rows by hand take")
    if absolute:
        seconds = [statistics.median(one.seconds for one in spent) for spent in (exports, imports)]
        print(f"  export {seconds[0]:.1f} s, import {seconds[1]:.1f} s, by hand {statistics.median(hands):.1f} s")


def _empty(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("DELETE FROM incident_reports")
    cursor.execute("SET foreign_key_checks = 0")
    cursor.execute("TRUNCATE TABLE flights")
    cursor.execute("SET foreign_key_checks = 1")
    connection.commit()

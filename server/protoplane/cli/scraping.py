"""The metrics of all workers together, served beside them for as long as they serve."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from protoplane.base.observe import Event, Level, Observe
from protoplane.cli.reporting import Reports
from protoplane.edge.exposition import exposition
from protoplane.edge.scrape import Scrape, ScrapeAddressError

TRIED_AGAIN_SECONDS = 1.0


class UnusableAddressError(Exception):
    """The metrics can never be served there."""


@contextmanager
def scraped(address: str, reports: Reports, observe: Observe) -> Iterator[None]:
    """Serve them at `address` while the block lasts; nowhere where it is empty. Raises UnusableAddressError.

    One that is taken is waited for: a deployment that overlaps the old service with the new one must not fail for its metrics.
    """
    if not address:
        yield
        return
    stopping = threading.Event()
    scrape = _open(address, reports, observe)
    waiting = threading.Thread(target=_wait, args=(address, reports, observe, stopping), name="metrics-wait", daemon=True)
    if scrape is None:
        observe(Event("metrics.address_taken", Level.WARNING, {"address": address}))
        waiting.start()
    try:
        yield
    finally:
        stopping.set()
        if scrape is not None:
            scrape.stop()
        else:
            waiting.join()


def _open(address: str, reports: Reports, observe: Observe) -> Scrape | None:
    """None when the address is taken."""
    try:
        scrape = Scrape(address, text=lambda: exposition(reports.metrics()), ready=reports.serving, observe=observe)
    except ScrapeAddressError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE:
            return None
        raise UnusableAddressError(str(error)) from error
    observe(Event("metrics.served", facts={"port": scrape.port}))
    return scrape


def _wait(address: str, reports: Reports, observe: Observe, stopping: threading.Event) -> None:
    """Serve as soon as the address is free, until the end."""
    scrape = None
    while scrape is None:
        if stopping.wait(TRIED_AGAIN_SECONDS):
            return
        scrape = _open(address, reports, observe)
    stopping.wait()
    scrape.stop()

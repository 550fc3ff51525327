"""Fixtures of the faults: an engine of the store, and the test library as a process whose wiring can be cut."""

from tests.door.conftest import client_modules
from tests.store.conftest import library, store

__all__ = ["client_modules", "library", "store"]

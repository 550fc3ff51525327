"""The library on MariaDB in a process of its own, with a list that costs its database more than a millisecond."""

from __future__ import annotations

from tests.door.conftest import client_modules

__all__ = ("client_modules",)

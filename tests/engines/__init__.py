"""Database engines for tests: fetched, started, handed out as fresh databases, and never left behind."""

from tests.engines.engine import ENGINE_NAMES, Database, Engine, Unavailable

__all__ = ["ENGINE_NAMES", "Database", "Engine", "Unavailable"]

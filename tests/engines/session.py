"""Start an engine by name, once, and keep it for whoever asks next."""

from dataclasses import dataclass, field

from tests.engines import mariadb, mysql, sqlite
from tests.engines.engine import Engine, Unavailable


def start(name: str) -> Engine:
    """Start a new engine of this name; raises `Unavailable`. Whoever starts it closes it."""
    match name:
        case "sqlite":
            return sqlite.start()
        case "mariadb":
            return mariadb.start()
        case "mysql":
            return mysql.start()
    raise ValueError(f"no such engine: {name}")


@dataclass(slots=True)
class Engines:
    """The engines of one test session: each started when first asked for, all closed at the end."""

    running: dict[str, Engine] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    """Name of each engine that was asked for and cannot be had, and why."""

    def get(self, name: str) -> Engine:
        """Return the running engine; raises `Unavailable`, the same each time."""
        if name in self.unavailable:
            raise Unavailable(self.unavailable[name])
        if name not in self.running:
            try:
                self.running[name] = start(name)
            except Unavailable as reason:
                self.unavailable[name] = str(reason)
                raise
        return self.running[name]

    def close(self) -> None:
        """Close every engine that was started."""
        while self.running:
            self.running.popitem()[1].close()

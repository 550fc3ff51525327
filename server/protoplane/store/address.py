"""Where the database is: a URL taken apart, its password kept out of sight."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

# MariaDB's client library checks the name for VERIFY_CA too.
SSL_MODES = ("DISABLED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
PORT_DEFAULT = 3306


class AddressError(ValueError):
    """The URL cannot be used; the text says why and never holds the password."""


@dataclass(frozen=True, slots=True)
class SqliteAddress:
    """A file; an empty path is a database of this process alone, gone when it ends."""

    path: str


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A MariaDB or MySQL server."""

    user: str
    database: str
    host: str = ""
    port: int = PORT_DEFAULT
    socket: str = ""
    """Path of a unix socket; the host does not count then."""
    password: str = field(default="", repr=False)
    ssl_mode: str = "VERIFY_IDENTITY"
    ssl_ca: str = ""
    """File of the certificate authorities to trust; empty: those of the machine."""


def parse_address(url: str, password: str = "") -> SqliteAddress | ServerAddress:
    """Take `sqlite:///path`, `sqlite://` or `mysql://user:password@host:port/database?ssl_mode=…&ssl_ca=…&unix_socket=…` apart.

    A `password` given apart from the URL wins. TLS with a verified name is the default unless the server is on this machine.
    """
    parts = urlsplit(url)
    match parts.scheme:
        case "sqlite":
            if parts.netloc:
                raise AddressError(f"'{url}': a SQLite URL has three slashes: sqlite:///relative or sqlite:////absolute")
            path = unquote(parts.path.removeprefix("/"))
            return SqliteAddress("" if path == ":memory:" else path)
        case "mysql" | "mariadb":
            return parse_server(url, password)
    raise AddressError(f"the database URL has the scheme '{parts.scheme}'; it must be sqlite or mysql")


def parse_server(url: str, password: str) -> ServerAddress:
    """The parts of a mysql:// URL."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    socket, ca = options.pop("unix_socket", ""), options.pop("ssl_ca", "")
    host = parts.hostname or ""
    local = bool(socket) or host in LOOPBACK
    mode = options.pop("ssl_mode", "DISABLED" if local else "VERIFY_IDENTITY").upper()
    database = unquote(parts.path.removeprefix("/"))
    try:
        port = parts.port or PORT_DEFAULT
    except ValueError:
        raise AddressError("the port in the database URL is not a number from 1 to 65535") from None
    if options:
        raise AddressError(f"the database URL has unknown options: {', '.join(sorted(options))}")
    if mode not in SSL_MODES:
        raise AddressError(f"ssl_mode is '{mode}' in the database URL; it must be one of {', '.join(SSL_MODES)}")
    if not (host or socket) or not parts.username or not database:
        raise AddressError("the database URL must name a user, a host (or unix_socket) and a database: mysql://user@host/database")
    secret = password or unquote(parts.password or "")
    return ServerAddress(unquote(parts.username), database, host, port, socket, secret, mode, ca)

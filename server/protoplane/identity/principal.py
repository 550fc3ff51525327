"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose credentials were verified, or `ANONYMOUS`.

    `permissions` are resolved when the credentials are verified, against those that the contract declares:
    a call only asks whether its own is in the set.
    """

    subject: str
    """The token's `sub`, exact to the byte; unique within `issuer`."""
    issuer: str
    permissions: frozenset[str]
    service: bool = False
    """Whether it is a program in its own name (RFC 9068 section 5: the token's `client_id` is its `sub`), and not a person."""

    @property
    def anonymous(self) -> bool:
        """Whether the call came without credentials."""
        return self.subject == ""


ANONYMOUS = Principal(subject="", issuer="", permissions=frozenset())
"""A caller without credentials."""

"""Versions of secrets: made, read and switched by custom methods."""

from __future__ import annotations

from acme.secretmanager.v1.resources import SecretVersion  # type: ignore[import-not-found]  # Made by the server from the contract.
from acme.secretmanager.v1.service import (  # type: ignore[import-not-found]  # As above.
    AccessSecretVersionRequest,
    AccessSecretVersionResponse,
    AddSecretVersionRequest,
    DisableSecretVersionRequest,
    EnableSecretVersionRequest,
)

from protoplane.method.custom import Call, Servicer


class SecretManagerService(Servicer, service="acme.secretmanager.v1.SecretManagerService"):
    """What is OUTPUT_ONLY for callers is the code's to write."""

    def add_secret_version(self, call: Call, request: AddSecretVersionRequest) -> SecretVersion:
        """A version, in use."""
        return call.create(SecretVersion(state=SecretVersion.ENABLED), parent=request.parent)

    def access_secret_version(self, call: Call, request: AccessSecretVersionRequest) -> AccessSecretVersionResponse:
        """Which one it is; what it holds is left out here."""
        return AccessSecretVersionResponse(name=call.get(SecretVersion, request.name).name)

    def disable_secret_version(self, call: Call, request: DisableSecretVersionRequest) -> SecretVersion:
        """Out of use."""
        return call.update(SecretVersion(name=request.name, etag=request.etag, state=SecretVersion.DISABLED), "state")

    def enable_secret_version(self, call: Call, request: EnableSecretVersionRequest) -> SecretVersion:
        """In use again."""
        return call.update(SecretVersion(name=request.name, etag=request.etag, state=SecretVersion.ENABLED), "state")

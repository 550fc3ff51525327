"""What the contract of the workspace cannot say."""

from __future__ import annotations

from typing import Any

from workspace.v1.workspace import Document  # type: ignore[import-not-found]  # Made by the server from the contract.

from protoplane.method.custom import Call, Servicer


class Workspace(Servicer, service="workspace.v1.Workspace"):
    """What the contract cannot say."""

    def publish_document(self, call: Call, request: Any) -> Any:
        """Its title in capitals."""
        document = call.get(Document, request.name)
        document.title = document.title.upper()
        return call.update(document, "title")

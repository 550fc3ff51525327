"""One `protoplane dev` a project: two would share a database, keys and most often a port without knowing of each other."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import final

from protoplane.base.settings import PRIVATE_FOLDER

FILE = "dev.lock"


class OccupiedError(Exception):
    """Another process has the project."""


@final
class Instance:
    """The project is ours, until this process and all that it handed the lock to have ended, however they end."""

    def __init__(self, project: Path) -> None:
        """Take it. Raises OccupiedError, and OSError where the file cannot be made."""
        folder = project / PRIVATE_FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        self._file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            with contextlib.closing(os.fdopen(self._file, encoding="ascii")) as file:
                pid = file.read().strip()
            raise OccupiedError(
                f"`protoplane dev` is already running on {project}, as process {pid}.\n    mend: stop it first, with Ctrl-C or: kill {pid}"
            ) from error
        os.ftruncate(self._file, 0)
        os.write(self._file, str(os.getpid()).encode("ascii"))

    def fileno(self) -> int:
        """The lock, to be handed to a process that serves for us: while that one still ends, nobody else begins."""
        return self._file

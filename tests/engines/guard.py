"""Run a server for a test process, and end it and remove its folder when that process is gone, however it ended.

    python guard.py FOLDER COMMAND...

Prints the server's process id. Standard input is a pipe from the test process: its end is that process's end.
A plain PR_SET_PDEATHSIG on the server would not do: it fires when the *thread* that started the server ends.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to kill this process when the guard is killed; runs between fork and exec, while the guard has one thread."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(folder: str, command: list[str]) -> int:
    """Start the server and stay until it ends or the test process does."""
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, preexec_fn=die_with_parent)  # noqa: PLW1509
    sys.stdout.write(f"{server.pid}\n")
    sys.stdout.flush()
    orphaned = threading.Event()

    def watch_parent() -> None:
        while os.read(0, 1):
            pass
        orphaned.set()
        server.kill()

    threading.Thread(target=watch_parent, daemon=True).start()
    code = server.wait()
    if orphaned.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

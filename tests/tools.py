"""Programs that tests call as a user would, found on the machine or built into the cache folder."""

import os
import shutil
import sys
from pathlib import Path

from tests.engines.cache import CACHE, locked
from tests.engines.engine import Unavailable
from tests.engines.fetch import install, run

GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3"
CONNECTCONFORMANCE = "connectrpc.com/conformance/cmd/connectconformance@v1.0.7"
"""Go checks that what it fetches of a version is what everybody gets."""

GO_LOCK = Path(__file__).resolve().parents[1] / "requirements" / "go.txt"
"""The Go toolchain as a Python package, pinned by hash."""


def grpcurl() -> Path:
    """Return grpcurl: that of the machine, or one built once with Go; raises `Unavailable`."""
    found = shutil.which("grpcurl")
    return Path(found) if found is not None else build(GRPCURL)


def connectconformance() -> Path:
    """Return the conformance suite, built once with Go; of no other version, since each has cases of its own. Raises `Unavailable`."""
    return build(CONNECTCONFORMANCE)


def build(package: str) -> Path:
    """Return the program that a Go package of an exact version is; raises `Unavailable`."""
    path, _, version = package.partition("@")
    name = path.rpartition("/")[2]
    built = CACHE / "bin" / f"{name}-{version}" / name
    with locked(name):
        if not built.exists():
            environment = {"GOBIN": str(built.parent), "GOFLAGS": "-trimpath", "CGO_ENABLED": "0"}
            run(["env", *(f"{variable}={value}" for variable, value in environment.items()), str(go()), "install", package])
    return built


def go() -> Path:
    """Return the Go toolchain: that of the machine, or the one that a Python package carries."""
    found = shutil.which("go", path=f"{os.environ.get('PATH', '')}:/usr/local/go/bin")
    if found is not None:
        return Path(found)
    folder = CACHE / "go"
    program = folder / "go" / "bin" / "go"
    with locked("go"):
        if not program.exists():
            unfinished = CACHE / "go.part"
            shutil.rmtree(unfinished, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--require-hashes"]
            run([*pip, "--target", str(unfinished), "--requirement", str(GO_LOCK)])
            unfinished.rename(folder)
    return program


def libfaketime() -> Path:
    """Return the library that makes the clock of a process jump; raises `Unavailable`."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        raise Unavailable("libfaketime is not installed; run `make engines`")
    return found[0]


def fetch_libfaketime() -> None:
    """Make sure that it is there."""
    try:
        libfaketime()
    except Unavailable:
        install(["libfaketime"])
        libfaketime()


STEPS = {"grpcurl": grpcurl, "connectconformance": connectconformance, "libfaketime": fetch_libfaketime}


def main() -> int:
    """Fetch every tool: `python -m tests.tools`; says what cannot be had and goes on."""
    failures = 0
    for name, step in STEPS.items():
        try:
            step()
        except Unavailable as reason:
            print(f"{name}: {reason}", file=sys.stderr)
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

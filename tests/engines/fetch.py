"""Fetch the database engines that a bare Debian-like machine lacks.

    python -m tests.engines.fetch             # everything
    python -m tests.engines.fetch headers     # only what compiling the MySQL driver takes

Runs before any package is installed: standard library only. MariaDB and the headers come from the machine's own
distribution. MySQL comes from Debian unstable, since Debian stable has none: its packages are unpacked into the cache folder
by an apt that has a configuration, lists and status of its own, and the machine's packages are not touched.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from tests.engines.cache import CACHE, locked
from tests.engines.engine import Unavailable

MYSQL = CACHE / "mysql"
MYSQL_PACKAGE = "mysql-server-core"
NOT_UNPACKED = re.compile(r"(lib)?perl")
"""Perl is for scripts beside the server, and large."""

KEYRINGS = tuple(Path(f"/usr/share/keyrings/debian-archive-keyring.{suffix}") for suffix in ("gpg", "pgp"))
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where servers live, also when the caller's PATH is that of an ordinary user."""


def find_program(name: str) -> Path:
    """Find a program of the system; raises `Unavailable`."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}")
    if found is None:
        raise Unavailable(f"{name} is not installed; run `make engines`")
    return Path(found)


def find_mariadb() -> Path:
    """Find the MariaDB server and what it takes to make a data folder; raises `Unavailable`."""
    find_program("mariadb-install-db")
    find_program("my_print_defaults")
    return find_program("mariadbd")


def find_mysql(folder: Path = MYSQL) -> tuple[str, ...]:
    """Return the command that runs the unpacked MySQL server with its own loader and libraries; raises `Unavailable`."""
    loaders = sorted(folder.glob("usr/lib/*/ld-linux*.so.*"))
    if not loaders:
        raise Unavailable("MySQL has not been fetched; run `make engines`")
    libraries = f"{loaders[0].parent}:{folder}/usr/lib/mysql/private"
    return (str(loaders[0]), "--library-path", libraries, f"{folder}/usr/sbin/mysqld")


def mysql_folders(folder: Path = MYSQL) -> tuple[str, ...]:
    """Return the options that tell the unpacked server where it lies."""
    return (
        f"--basedir={folder}/usr",
        f"--lc-messages-dir={folder}/usr/share/mysql",
        f"--plugin-dir={folder}/usr/lib/mysql/plugin",
        "--secure-file-priv=",
    )


def version_of(server: Sequence[str]) -> str:
    """Ask a server program for its version; raises `Unavailable` if it does not run."""
    done = subprocess.run([*server, "--no-defaults", "--version"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{server[-1]} does not run: {done.stderr.strip()}")
    return done.stdout.strip().partition("Ver ")[2]


def fetch_headers() -> None:
    """Make sure that the MySQL driver can be compiled: there is no wheel of it for Linux."""
    missing = [package for package, present in header_packages().items() if not present]
    if missing:
        install(missing)


def header_packages() -> dict[str, bool]:
    """Name the packages that compiling the driver takes, and whether what they bring is there."""
    return {
        "gcc": shutil.which("gcc") is not None,
        "libc6-dev": Path("/usr/include/stdio.h").exists(),
        "libmariadb-dev": shutil.which("mariadb_config") is not None,
        "pkg-config": shutil.which("pkg-config") is not None,
        "python3-dev": Path(sysconfig.get_path("include"), "Python.h").exists(),
    }


def fetch_mariadb() -> None:
    """Make sure that the MariaDB server is installed. The core packages alone: they start no service on the machine."""
    try:
        find_mariadb()
    except Unavailable:
        install(["mariadb-server-core", "mariadb-client-core"])  # The second has my_print_defaults.
        find_mariadb()


def fetch_mysql() -> None:
    """Make sure that MySQL is unpacked in the cache folder. Interrupted, the next call goes on where this one was."""
    with locked("mysql"):
        try:
            version_of(find_mysql())
        except Unavailable:
            unpack_mysql()


def unpack_mysql() -> None:
    """Download and unpack the server and its libraries, and put them in place only when the server runs."""
    work, unfinished = CACHE / "mysql-packages", CACHE / "mysql.part"
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Unavailable("MySQL is fetched as Debian packages, and this machine has no apt-get")
    archives = download_mysql(work)
    shutil.rmtree(unfinished, ignore_errors=True)
    for archive in archives:
        run(["dpkg-deb", "--extract", str(archive), str(unfinished)])
    version_of(find_mysql(unfinished))
    shutil.rmtree(MYSQL, ignore_errors=True)
    unfinished.rename(MYSQL)
    shutil.rmtree(work)


def download_mysql(work: Path) -> list[Path]:
    """Download the packages of Debian unstable from the first of the machine's mirrors that has it."""
    refusals = []
    for mirror in mirrors():
        apt = private_apt(work, mirror)
        try:
            run([*apt, "update"])
            run([*apt, "install", "--yes", "--no-install-recommends", "--download-only", MYSQL_PACKAGE])
        except Unavailable as refusal:
            refusals.append(str(refusal))
        else:
            return [path for path in sorted(work.glob("archives/*.deb")) if not NOT_UNPACKED.match(path.name)]
    raise Unavailable("\n".join(refusals) or "no Debian mirror among the machine's apt sources to fetch MySQL from")


def mirrors() -> list[str]:
    """Read the base addresses of Debian-like archives from the machine's apt sources, without needing its lists."""
    uris = subprocess.run(["apt-get", "update", "--print-uris"], capture_output=True, text=True, check=False).stdout
    bases = re.findall(r"^'(\S+)/dists/[a-z]+/InRelease'", uris, flags=re.MULTILINE)
    return list(dict.fromkeys(bases))


def private_apt(work: Path, mirror: str) -> list[str]:
    """Write a sources list for Debian unstable, and return an apt-get that knows nothing else and writes nowhere else."""
    for folder in ("lists/partial", "archives/partial"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    (work / "status").touch()
    keyring = next((f"[signed-by={path}] " for path in KEYRINGS if path.exists()), "")
    sources = work / "sources.list"
    sources.touch(mode=0o600)  # A mirror's address may hold a password.
    sources.write_text(f"deb {keyring}{mirror} sid main\n")
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State": work,
        "Dir::State::Lists": work / "lists",
        "Dir::State::Status": work / "status",
        "Dir::Cache": work,
        "Dir::Cache::Archives": work / "archives",
        "APT::Sandbox::User": "root",  # The unprivileged downloader could not write here.
        "APT::Keep-Downloaded-Packages": "true",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "Acquire::Retries": "5",
    }
    return ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]


def install(packages: Sequence[str]) -> None:
    """Install packages of the machine's own distribution; raises `Unavailable` when that is not permitted."""
    if shutil.which("apt-get") is None:
        raise Unavailable(f"this machine has no apt-get; please install what Debian calls {' '.join(packages)}")
    print(f"installing {' '.join(packages)} (apt-get)", file=sys.stderr)
    apt = [*as_root(packages), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-oDPkg::Lock::Timeout=300"]
    command = [*apt, "install", "--yes", "--no-install-recommends", *packages]
    try:
        run(command)
    except Unavailable:  # No package lists yet, as in a fresh container, or lists that name packages no longer there.
        run([*apt, "update"])
        run(command)


def as_root(packages: Sequence[str]) -> list[str]:
    """Return what to put before a command that needs root; sudo may ask for a password only where somebody can answer."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        raise Unavailable(f"please run as root: apt-get install {' '.join(packages)}")
    return ["sudo"] if sys.stdin.isatty() else ["sudo", "--non-interactive"]


def run(command: Sequence[str]) -> None:
    """Run a command and keep its output for the day it fails; raises `Unavailable`."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stdout.strip()}")


STEPS = {"headers": fetch_headers, "mariadb": fetch_mariadb, "mysql": fetch_mysql}


def main(names: Sequence[str]) -> int:
    """Fetch what is named, or everything; says what cannot be had and goes on."""
    failures = 0
    for name in names or list(STEPS):
        try:
            STEPS[name]()
        except Unavailable as reason:
            print(f"{name}: {reason}", file=sys.stderr)
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

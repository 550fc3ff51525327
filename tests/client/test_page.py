"""What the page of Python clients shows, done with the example library."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cli.kit import run
from tests.door.running import running

ROOT = Path(__file__).resolve().parents[2]

BEFORE = """\
import sys
from library.v1 import publisher_pb2
from library.v1.client import LibraryClient
target, token = sys.argv[1:]
new_token = lambda: token
def plain(target, **options):
    return LibraryClient(target, insecure=True, **options)
with plain(target, token=token) as client:
    from library.v1 import book_pb2
    for publisher in ("penguin", "other"):
        client.create_publisher(publisher_id=publisher, publisher=publisher_pb2.Publisher(display_name="P"))
    made = client.create_book(parent="publishers/penguin", book_id="emma", book=book_pb2.Book(title="Emma"))
"""

OPENED = 'LibraryClient("library.example.com:443", token=new_token)'
"""What stands in the page for a server that has a certificate."""


def test_the_page_of_python_clients_works(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/clients.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert OPENED in blocks[0]
    rest = "\n".join(blocks[1:]).replace("\n", "\n    ")
    program = f"{BEFORE}{blocks[0].replace(OPENED, 'plain(target, token=new_token)')}    {rest}"
    project = tmp_path / "library"
    shutil.copytree(ROOT / "examples/library", project, ignore=shutil.ignore_patterns(".*"))
    made = run("generate", "--lang", "python", "--out", tmp_path / "client", "--project", project)
    assert made.exit_code == 0, made.output
    with running(project, "dev", "--once") as dev:
        dev.started()
        command = [sys.executable, "-c", program, dev.target, dev.token]
        ran = subprocess.run(command, cwd=tmp_path / "client/src", capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["Emma", "1", "penguin", "emma", "publishers/penguin"]

"""A server of its own process: killed in the middle of edits, left by its page, sent half an upload."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from cinegan_cli.errors import ExitStatus
from tests.small_scene import HEIGHT, WIDTH, upper_half

ROOT = Path(__file__).parents[2]
TIME = 120  # s, on a busy machine

Start = Callable[..., tuple["subprocess.Popen[str]", str]]


@pytest.fixture
def start(projects: Path) -> Iterator[Start]:
    """Starts `cinegan edit ARGUMENTS`; the process and its address."""
    running = []

    def run(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "cinegan_cli", "edit", "--no-browser", "--projects", str(projects), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        running.append(process)
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, process.communicate()[1]
        return process, address.rstrip("/") + "/api"

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def web() -> Iterator[httpx.Client]:
    """A client with patience."""
    with httpx.Client(timeout=TIME) as client:
        yield client


def grey(pixels: Any) -> bytes:
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "PNG")
    return made.getvalue()


def test_what_was_answered_outlives_a_kill(start: Start, web: httpx.Client, scene: Path) -> None:
    process, api = start(str(scene / "photo.png"))
    rng = np.random.default_rng(0)
    kept: dict[str, Any] = {}
    for k in range(12):  # killed right after an answer, in the middle of the next edit
        mask = upper_half() // (1 + k % 3)
        assert web.put(f"{api}/mask", content=grey(mask)).status_code == 200
        arrows = rng.integers(0, 48, (5, 4)).tolist()
        edits = {"arrows": arrows, "settings": {"speed": 1.0 + k / 10}}
        assert web.put(f"{api}/edits", json=edits).status_code == 200
        kept = {"mask": mask, "arrows": arrows, "speed": 1.0 + k / 10}
    half = socket.create_connection(("127.0.0.1", int(re.findall(r":(\d+)/", api)[0])))
    path = "/" + api.split("/", 3)[3]
    half.sendall(f"PUT {path}/edits HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 99\r\n\r\n{{".encode())
    process.send_signal(signal.SIGKILL)
    process.wait()
    half.close()
    for arguments in ((), (str(scene / "photo.png"),)):  # what was last, and the photo by its name
        _, api = start(*arguments)
        state = web.get(f"{api}/state").json()
        assert (state["arrows"], state["settings"]["speed"]) == (kept["arrows"], kept["speed"])
        mask = np.asarray(Image.open(io.BytesIO(web.get(f"{api}/mask.png").content)))
        np.testing.assert_array_equal(mask, kept["mask"])


def test_uploads_that_lie_or_stop_leave_nothing(start: Start, web: httpx.Client, scene: Path, projects: Path) -> None:
    _, api = start(str(scene / "photo.png"), "--token", "a-token-of-the-tests")
    state = web.get(f"{api}/state").json()
    port = int(re.findall(r":(\d+)/", api)[0])
    head = f"POST /a-token-of-the-tests/api/photo HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=TIME) as half:
        half.sendall(f"{head}content-length: 100000\r\n\r\n".encode() + bytes(5000))
        until = time.monotonic() + TIME
        while not list(projects.glob(".upload-*")) and time.monotonic() < until:
            time.sleep(0.02)
        assert list(projects.glob(".upload-*"))
    while list(projects.glob(".upload-*")) and time.monotonic() < until:
        time.sleep(0.05)
    assert not list(projects.glob(".upload-*"))
    with socket.create_connection(("127.0.0.1", port), timeout=TIME) as stream:  # 2 GB without saying so
        stream.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        chunk = b"100000\r\n" + bytes(2**20) + b"\r\n"
        sent = 0
        with suppress(OSError):  # the server hangs up
            while sent < 2**31:
                stream.sendall(chunk)
                sent += 2**20
        assert 100 * 2**20 < sent < 600 * 2**20
    assert web.get(f"{api}/state").json() == state
    assert [path.name for path in projects.iterdir() if path.name.startswith(".")] == []


def test_renders_stop_when_the_page_has_gone(start: Start, web: httpx.Client, scene: Path) -> None:
    _, api = start(str(scene / "photo.png"))
    long = {"settings": {"seconds": 120, "fps": 60}, "arrows": [[10, 10, 50, 12]]}
    web.put(f"{api}/mask", content=grey(np.full((HEIGHT, WIDTH), 255, np.uint8)))
    version = web.put(f"{api}/edits", json=long).json()["version"]
    heard = []
    with httpx.Client(timeout=TIME) as page, page.stream("GET", f"{api}/events") as events:
        lines = events.iter_lines()
        next(lines)
        job = web.post(f"{api}/export", json={"format": "apng", "repeat": 1}).json()["job"]
        for line in lines:
            if line.startswith("data: "):
                heard.append(json.loads(line.removeprefix("data: ")))
                if heard[-1].get("done", 0) > 2:
                    break
    assert {event["id"] for event in heard} == {job}
    assert heard[-1]["version"] == version
    assert web.get(f"{api}/jobs/{job}").json()["state"] == "running"
    until = time.monotonic() + TIME
    while (state := web.get(f"{api}/jobs/{job}").json()["state"]) == "running" and time.monotonic() < until:
        time.sleep(0.5)
    assert state == "cancelled"


def test_an_interrupt_ends_it(start: Start, web: httpx.Client) -> None:
    process, api = start()
    assert web.get(f"{api}/state").json()["photo"] is None
    process.send_signal(signal.SIGINT)
    assert process.wait(TIME) == ExitStatus.OK
    assert process.stderr is not None
    assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("--token short", ExitStatus.USAGE),
        ("--token " + "/" * 20, ExitStatus.USAGE),
        ("--host 203.0.113.7", ExitStatus.ENCODER),
        ("missing.jpg", ExitStatus.INPUT),
    ],
)
def test_what_cannot_be_served_is_one_line(arguments: str, status: int, capfd: Any, tmp_path: Path) -> None:
    from tests.small_scene import invoke

    outcome = invoke(f"edit --no-browser --projects {tmp_path} {arguments}", capfd)
    assert (outcome.status, len(outcome.complaints)) == (status, 1)


def test_without_its_extra_it_says_what_to_install(capfd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.small_scene import invoke

    for name in ("cinegan_cli.editor.serving", "cinegan_cli.editor.app"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr("cinegan_cli.editor.serving", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    outcome = invoke("edit --no-browser", capfd)
    assert outcome.status == ExitStatus.USAGE
    assert 'pip install "cinegan[edit]"' in outcome.stderr

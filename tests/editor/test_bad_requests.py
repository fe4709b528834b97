"""Requests that no page of ours makes: refused or queued, nothing written, the server answers on."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from cinegan_cli.editor.safety import HEADERS, Guard
from tests.editor.conftest import ADDRESS, API, TOKEN, finished
from tests.small_scene import tree

GIGABYTES = 2 * 2**30


def endless(total: int) -> Iterator[bytes]:
    """A body of so many bytes, which never are in memory."""
    chunk = bytes(2**20)
    for _ in range(total // len(chunk)):
        yield chunk


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says to be large."""
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\0\0\0\0"
    chunk = len(head[4:]).to_bytes(4, "big") + head + zlib.crc32(head).to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + chunk + bytes(64)


PHOTO, EDITS, MASK = f"{API}/photo", f"{API}/edits", f"{API}/mask"
BAD: dict[str, tuple[str, str, dict[str, Any], tuple[int, ...]]] = {
    # what: method, path, arguments, statuses
    "a foreign page": ("GET", f"{API}/state", {"headers": {"origin": "https://evil.example"}}, (403,)),
    "a foreign page that posts": (
        "POST",
        PHOTO,
        {"headers": {"origin": "http://evil.example"}, "content": b"x"},
        (403,),
    ),
    "a page without an origin": ("PUT", EDITS, {"headers": {"origin": "null"}, "json": {}}, (403,)),
    "the right origin on another port": (
        "PUT",
        EDITS,
        {"headers": {"origin": "http://127.0.0.1:1"}, "json": {}},
        (403,),
    ),
    "a host that was rebound": (
        "GET",
        f"{API}/state",
        {"headers": {"host": "evil.example", "origin": "http://evil.example"}},
        (421,),
    ),
    "a host that begins like ours": ("GET", f"{API}/state", {"headers": {"host": "127.0.0.1.evil.example"}}, (421,)),
    "no token": ("GET", "/api/state", {}, (404,)),
    "nothing at all": ("GET", "/", {}, (404,)),
    "another token": ("GET", f"/{TOKEN[:-1]}x/api/state", {}, (404,)),
    "half a token": ("POST", f"/{TOKEN[:5]}/api/photo", {"content": b"x"}, (404,)),
    "a static name that leads out": ("GET", f"/{TOKEN}/static/..%2f..%2fapp.py", {}, (404,)),
    "another that leads out": ("GET", f"/{TOKEN}/static/%2e%2e/app.py", {}, (404,)),
    "an absolute static name": ("GET", f"/{TOKEN}/static//etc/passwd", {}, (404,)),
    "a static name with a zero": ("GET", f"/{TOKEN}/static/index.html%00.js", {}, (404,)),
    "a look that is a file": ("GET", f"{API}/look/..%2f..%2fphoto.jpg", {}, (404, 422)),
    "a render that leads out": ("GET", f"{API}/jobs/..%2f..%2fproject.json/file", {}, (404,)),
    "a name that leads out": ("POST", f"{PHOTO}?name=..%2f..%2fetc%2fpasswd", {"content": b"no picture"}, (422,)),
    "no photo at all": ("POST", PHOTO, {"content": b""}, (422,)),
    "a program": ("POST", PHOTO, {"content": b"\x7fELF" + bytes(4096)}, (422,)),
    "a picture too large to decode": ("POST", PHOTO, {"content": bomb(60000, 60000)}, (422,)),
    "2 GB, announced": ("POST", PHOTO, {"content": b"x", "headers": {"content-length": str(GIGABYTES)}}, (413,)),
    "2 GB of edits, announced": (
        "PUT",
        EDITS,
        {"content": b"x", "headers": {"content-length": str(GIGABYTES)}},
        (413,),
    ),
    "a mask of another size": ("PUT", MASK, {"content": bomb(60000, 60000)}, (422,)),
    "a mask that is none": ("PUT", MASK, {"content": bomb(64, 48)}, (422,)),
    "a mask that is text": ("PUT", MASK, {"content": b"white"}, (422,)),
    "broken JSON": ("PUT", EDITS, {"content": b'{"arrows": [['}, (422,)),
    "JSON nested deep": ("PUT", EDITS, {"content": b"[" * 500_000}, (422,)),
    "JSON that is not UTF-8": ("PUT", EDITS, {"content": b"\xff\xfe\xfa"}, (422,)),
    "numbers that are none": ("PUT", EDITS, {"content": b'{"arrows": [[NaN, Infinity, 1, 1e999]]}'}, (422,)),
    "an export to a place": ("POST", f"{API}/export", {"json": {"out": "/tmp/evil.mp4"}}, (422,)),
    "an export of a format with a path": ("POST", f"{API}/export", {"json": {"format": "../../evil.mp4"}}, (422,)),
    "an estimate of anything": ("POST", f"{API}/estimate", {"json": {"device": "cuda"}}, (422,)),
    "a version beyond all numbers": ("GET", f"{API}/motion?version={'9' * 5000}", {}, (422,)),
    "another method": ("DELETE", PHOTO, {}, (405,)),
    "a way that does not exist": ("GET", f"{API}/shell", {}, (404,)),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_request_is_refused(what: str, opened: Any, tmp_path: Path) -> None:
    method, path, arguments, statuses = BAD[what]
    before, state = tree(tmp_path), opened.get(f"{API}/state").json()
    answer = opened.request(method, path, **arguments)
    assert answer.status_code in statuses, answer.text
    assert set(HEADERS) <= {name.lower() for name in answer.headers}
    if statuses != (405,):
        assert "\n" not in answer.json()["error"]
    assert tree(tmp_path) == before
    assert opened.get(f"{API}/state").json() == state


def test_uploads_that_hide_their_size_are_cut_off(opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(tmp_path)
    monkeypatch.setattr("cinegan_cli.editor.uploads.LARGEST_UPLOAD", 2**22)
    monkeypatch.setattr("cinegan_cli.editor.uploads.received_file.__defaults__", (2**22,))
    assert opened.post(PHOTO, content=endless(2**23)).status_code == 413
    assert opened.put(EDITS, content=endless(2**22)).status_code == 413
    assert tree(tmp_path) == before


def test_one_photo_at_a_time(opened: Any, scene: Path) -> None:
    data = (scene / "photo.png").read_bytes()
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: opened.post(PHOTO, content=data).status_code, range(8)))
    assert set(statuses) <= {200, 429}
    assert 200 in statuses


def test_fifty_renders_at_once_are_queued_or_refused(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    go, at_once, most = Event(), [], []

    def slow(*_: Any) -> Path:
        at_once.append(1)
        most.append(len(at_once))
        go.wait(60)
        at_once.pop()
        raise MemoryError

    monkeypatch.setattr("cinegan_cli.editor.app.export", slow)
    with ThreadPoolExecutor(25) as pool:
        answers = list(pool.map(lambda _: opened.post(f"{API}/export", json={}), range(50)))
    assert opened.get(f"{API}/state").status_code == 200
    taken = [answer.json()["job"] for answer in answers if answer.status_code == 200]
    assert len(taken) in (8, 9)  # one runs already, or none yet
    assert {answer.status_code for answer in answers} == {200, 429}
    last = taken[-1]
    assert opened.delete(f"{API}/jobs/{last}").json()["state"] == "cancelled"
    go.set()
    assert finished(opened, taken[0])["state"] == "failed"
    assert "memory" in finished(opened, taken[-2])["error"]
    assert max(most) == 1


def test_no_answer_tells_where_files_lie(opened: Any, tmp_path: Path) -> None:
    for body in (b"no picture", b"PK\x03\x04 no zip", bomb(60000, 60000)):
        assert str(tmp_path) not in opened.post(PHOTO, content=body).text


@pytest.mark.parametrize(
    ("listening", "host", "known"),
    [
        ("127.0.0.1", "localhost:8000", True),
        ("127.0.0.1", "[::1]:8000", True),
        ("127.0.0.1", "192.168.1.5:8000", False),
        ("0.0.0.0", "192.168.1.5:8000", True),
        ("0.0.0.0", "evil.example:8000", False),
        ("studio.local", "studio.local:8000", True),
        ("studio.local", "evil.example", False),
    ],
)
def test_hosts(listening: str, host: str, known: bool) -> None:
    assert Guard(json.dumps, TOKEN, listening)._knows(host) is known


def test_the_policy_allows_nothing_inline_or_foreign() -> None:
    policy = HEADERS["content-security-policy"]
    assert not re.search(r"unsafe|\*|https?:", policy)
    assert ADDRESS not in policy

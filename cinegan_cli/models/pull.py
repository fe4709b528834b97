"""Download of one file: resumed after cuts, checked, and never half there. The only part that opens a connection."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

from cinegan_cli import __version__
from cinegan_cli.errors import InputError, OutputError, UsageError
from cinegan_cli.models.store import sha256_of
from cinegan_cli.types import Progress

TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 6  # in a row without a new byte, before giving up
PAUSE = 0.5  # seconds before the second attempt; doubles
PIECE = 1 << 18
AGAIN = (408, 429, 500, 502, 503, 504)  # answers of servers that may do better later


def pull(url: str, path: Path, *, sha256: str | None, progress: Progress, pause: float = PAUSE) -> None:
    """Fetch `url` to `path`, by way of `path`.part, from where an earlier attempt or a cut connection left it.

    Raises UsageError for something else than http(s), InputError when the server has no such file, the connection
    stays down (what came is kept for the next time) or the checksum is wrong (what came is removed), OutputError when
    it cannot be written.
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url}: only http:// and https:// can be pulled; import a local file instead")
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part, progress, pause)
        if sha256 is not None and (found := sha256_of(part)) != sha256.lower():
            part.unlink()
            _note(part).unlink(missing_ok=True)
            raise InputError(f"{url}: has sha256 {found}, not {sha256}; the file was removed: ask whoever publishes it")
        os.replace(part, path)
        _note(part).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; free some space and pull again") from error


def _fetch(url: str, part: Path, progress: Progress, pause: float) -> None:
    """All of `url` in `part`. Network trouble is InputError; OSError is the disk's."""
    attempts = 0
    while True:
        before = part.stat().st_size if part.is_file() and _version(url, part) is not None else 0
        reason = _attempt(url, part, before, progress)
        if reason is None:
            return
        came = part.stat().st_size if part.is_file() else 0
        attempts = 1 if came > before else attempts + 1
        if attempts >= ATTEMPTS:
            raise InputError(f"{url}: the connection fails ({reason}); {came} bytes are kept: pull again to go on")
        time.sleep(pause * 2 ** (attempts - 1))


def _attempt(url: str, part: Path, start: int, progress: Progress) -> str | None:
    """Append what one connection brings. Returns why it ended early, None when the file is whole."""
    headers = {"User-Agent": f"cinegan/{__version__}"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if version := _version(url, part):
            headers["If-Range"] = version  # of another version the server sends all
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as answer:
            resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            if not resumed:  # also from a server that ignores ranges: all of it again
                start = 0
                part.unlink(missing_ok=True)
                _note(part).write_text(f"{url}\n{_strong(answer.headers.get('ETag'))}\n")
            length = answer.headers.get("Content-Length")
            total = start + int(length) if length else 0
            return _append(answer, part, start, total, progress)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:  # nothing lies beyond what is there: it is whole, or of another version
            wanted = error.headers.get("Content-Range", "").rpartition("/")[2]
            if wanted == str(start):
                return None
            part.unlink()
            return "the file on the server has changed"
        if error.code in AGAIN:
            return f"status {error.code}"
        raise InputError(f"{url}: the server answers {error.code} {error.reason}; check the address") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__


def _note(part: Path) -> Path:
    """The file that says what `part` is a part of."""
    return part.with_name(part.name + ".from")


def _version(url: str, part: Path) -> str | None:
    """The ETag of what `part` began with, "" where the server gave none; None when it came from somewhere else."""
    lines = _note(part).read_text().splitlines() if _note(part).is_file() else []
    return lines[1] if len(lines) == 2 and lines[0] == url else None


def _strong(tag: str | None) -> str:
    """An ETag under which pieces may be joined; "" for none, and for one that only promises something alike."""
    return "" if tag is None or tag.startswith("W/") else tag.strip()


def _append(answer: http.client.HTTPResponse, part: Path, start: int, total: int, progress: Progress) -> str | None:
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        done = start
        while True:
            try:
                piece = answer.read1(PIECE)
            except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
                return str(error) or type(error).__name__
            if not piece:
                break
            file.write(piece)
            done += len(piece)
            progress("pulling (MB)", done >> 20, total >> 20)
    return None if done == total or not total else f"cut after {done} of {total} bytes"

"""Download of one file by httpx: resumed after cuts, checked, never half there. Nothing else opens a connection."""

from __future__ import annotations

import os
import time
from pathlib import Path

import httpx

from cinegan_cli import __version__
from cinegan_cli.errors import InputError, OutputError, UsageError
from cinegan_cli.models.store import sha256_of
from cinegan_cli.types import Progress

TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 6  # in a row without a new byte, before giving up
PAUSE = 0.5  # seconds before the second attempt; doubles
MOST_BYTES = 8 << 30  # sets have some 0.5 GB; a server that sends on and on must not fill the disk
AGAIN = (408, 429, 500, 502, 503, 504)  # answers of servers that may do better later


class _Later(Exception):
    """Trouble that may pass."""


def download(
    url: str, path: Path, *, sha256: str | None, progress: Progress, pause: float = PAUSE, most: int = MOST_BYTES
) -> None:
    """Fetch `url` to `path`, by way of `path`.part, from where an earlier attempt or a cut connection left it.

    Raises UsageError for something else than http(s), InputError when the server has no such file, leads from https to
    http, sends more than `most` bytes (what came is removed), the connection stays down (what came is kept for the next
    time) or the checksum is wrong (what came is removed), OutputError when it cannot be written.
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url}: only http:// and https:// can be pulled; import a local file instead")
    part = path.with_name(path.name + ".part")
    with _client() as client:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _fetch(client, url, part, progress, pause, most)
            if sha256 is not None and (found := sha256_of(part)) != sha256.lower():
                _forget(part)
                raise InputError(f"{url}: has sha256 {found}, not {sha256}; the file was removed: ask its publisher")
            os.replace(part, path)
            _forget(part)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise UsageError(f"{url}: no address to pull from: {error}; give one such as https://...") from error
        except OSError as error:
            advice = "set CINEGAN_HOME to a folder with space that you may write, and pull again"
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}; {advice}") from error


def _client() -> httpx.Client:
    headers = {"User-Agent": f"cinegan/{__version__}", "Accept-Encoding": "identity"}
    hooks = {"response": [_refuse_downgrade]}
    try:
        return httpx.Client(headers=headers, timeout=TIMEOUT, follow_redirects=True, event_hooks=hooks)
    except (OSError, ImportError, ValueError) as error:  # what the environment says cannot be used
        raise UsageError(f"no connection can be made: {error}; see the variables SSL_CERT_FILE and *_PROXY") from error


def _refuse_downgrade(answer: httpx.Response) -> None:
    """What was asked for over https is not fetched over http."""
    if answer.has_redirect_location and answer.url.scheme == "https":
        target = answer.url.join(answer.headers["Location"])
        if target.scheme != "https":
            raise InputError(f"{answer.url}: leads from https to {target}; ask its publisher for another address")


def _fetch(client: httpx.Client, url: str, part: Path, progress: Progress, pause: float, most: int) -> None:
    """All of `url` in `part`. Network trouble is InputError; OSError is the disk's."""
    failed = 0
    while True:
        before = _size(part)
        try:
            return _attempt(client, url, part, progress, most)
        except httpx.UnsupportedProtocol:
            raise
        except (httpx.RequestError, _Later) as error:
            came = _size(part)
            failed = 1 if came > before else failed + 1
            if failed >= ATTEMPTS:
                reason = str(error) or type(error).__name__
                raise InputError(
                    f"{url}: the connection fails ({reason}); {came} bytes are kept: pull again to go on"
                ) from error
            time.sleep(pause * 2 ** (failed - 1))


def _attempt(client: httpx.Client, url: str, part: Path, progress: Progress, most: int) -> None:
    """Append what one connection brings. Raises _Later or httpx's errors when it ended early."""
    version = _version(url, part)
    start = 0 if version is None else _size(part)
    headers = {"Range": f"bytes={start}-"} if start else {}
    if start and version:
        headers["If-Range"] = version  # of another version the server sends all
    with client.stream("GET", url, headers=headers) as answer:
        begins, _, total = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        if answer.status_code == 416 and start and total == str(start):
            return  # nothing lies beyond what is there
        if answer.status_code == 416 or (answer.status_code == 206 and not begins.startswith(f"{start}-")):
            _forget(part)
            raise _Later("the file on the server has changed")
        if answer.status_code in AGAIN:
            raise _Later(f"status {answer.status_code}")
        if not answer.is_success:
            raise InputError(
                f"{url}: the server answers {answer.status_code} {answer.reason_phrase}; check the address"
            )
        if answer.status_code != 206:  # also from a server that ignores ranges: all of it again
            start = 0
            _begin(url, part, answer.headers.get("ETag", ""))
        _append(answer, part, start, progress, most)


def _append(answer: httpx.Response, part: Path, done: int, progress: Progress, most: int) -> None:
    total = done + int(answer.headers.get("Content-Length", 0))
    with part.open("ab") as file:
        for piece in answer.iter_raw():
            done += len(piece)
            if max(done, total) > most:
                break
            file.write(piece)
            progress("pulling (MB)", done >> 20, total >> 20)
    if max(done, total) > most:
        _forget(part)
        raise InputError(
            f"{answer.url}: has more than {most / 1e9:.1f} GB, which is no set of models; check the address"
        )


def _note(part: Path) -> Path:
    """The file that says what `part` is a part of: the address, and the version there."""
    return part.with_name(part.name + ".from")


def _begin(url: str, part: Path, tag: str) -> None:
    """An empty part. A weak ETag only promises something alike: pieces must not be joined under it."""
    part.write_bytes(b"")
    _note(part).write_text(f"{url}\n{'' if tag.startswith('W/') else tag.strip()}\n", encoding="utf-8")


def _version(url: str, part: Path) -> str | None:
    """The ETag of what `part` began with, "" where the server gave none; None when it came from somewhere else."""
    lines = _note(part).read_text(encoding="utf-8").splitlines() if _note(part).is_file() else []
    return lines[1] if len(lines) == 2 and lines[0] == url else None


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)

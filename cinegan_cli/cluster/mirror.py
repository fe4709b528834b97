"""Files behind URLs under names of a local folder, where whatever works with files can work with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from cinegan_cli.errors import CineganError, InputError, OutputError, UsageError, one_line

URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]+):(?:/+(?P<rest>.*))?", re.DOTALL
)  # a Path has one slash where a URL has two
PUT_WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "memory"}  # there a file appears when all of it has arrived
READ_AT_ONCE = (".gif", ".webp", ".json")  # of these a batch looks at the content to tell what is a photo
EXTRA = 'pip install "cinegan[ray]"'


def is_url(path: Path) -> bool:
    """Whether a name from the command line is a URL: s3://..., file://..."""
    return URL.fullmatch(str(path)) is not None


class Mirror:
    """URLs and their local names: s3://bucket/lake.jpg is ROOT/s3/bucket/lake.jpg.

    Other names stand for themselves, and file:///lake.jpg is /lake.jpg. What a program that only knows files finds
    below the root, it finds in the storage: `look` makes empty files for what is there, `fetch` fills one of them,
    `store` takes one there. Every method but `look` does nothing for names outside the root. Storage that cannot be
    reached, a kind of URL that is unknown, and a package that is missing are one-line errors (InputError, OutputError,
    UsageError).
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def local(self, path: Path) -> Path:
        """The local name of a URL; other names unchanged."""
        match = URL.fullmatch(str(path))
        if match is None:
            return path
        if match["scheme"] in ("file", "local"):
            return Path("/" + (match["rest"] or ""))
        return self.root.joinpath(match["scheme"], *_parts(match["scheme"], match["rest"] or ""))

    def url(self, path: Path) -> str | None:
        """The URL of a local name; None for one outside the root."""
        if not path.is_relative_to(self.root):
            return None
        scheme, *rest = path.relative_to(self.root).parts or ("",)
        return f"{scheme}://{'/'.join(rest)}"

    def named(self, text: str) -> str:
        """The text with URLs in place of local names."""
        return re.sub(re.escape(str(self.root)) + r"/([a-z][a-z0-9+.-]+)/", r"\1://", text)

    def moved(self, path: Path, other: Mirror) -> Path:
        """The local name in the other mirror of what has this one here."""
        return other.root / path.relative_to(self.root) if path.is_relative_to(self.root) else path

    def look(self, path: Path, *, contents: bool = False) -> tuple[str, ...]:
        """Make empty files for those at and below a local name, and of those beside it where it is a file itself.

        With `contents`, those are fetched which a batch looks into. Returns a line for each file that has no local
        name, such as a/../b. Raises InputError when the storage cannot be asked, or has no such bucket.
        """
        url = self.url(path)
        if url is None:
            return ()
        with _asking(url, InputError, "be listed"):
            system, name = _opened(url)
            beside = contents and system.isfile(name)
            found = _names(system, system._parent(name) if beside else name, below=not beside)
        folder = path.parent if beside else path
        left_out = [name for name in found if not _touch(name, folder / name)]
        if contents:
            places = [folder / name for name in found if name.lower().endswith(READ_AT_ONCE)]
            self.fetch(place for place in places if place.is_file())
        base = self.url(folder)
        return tuple(f"{base}/{name}: is no name that a file could have here; rename it" for name in left_out)

    def fetch(self, paths: Iterable[Path]) -> None:
        """Bring the contents of files; one that is not there stays away. Raises InputError."""
        for path in paths:
            url = self.url(path)
            if url is not None:
                with _asking(url, InputError, "be read"):
                    system, name = _opened(url)
                    if system.isfile(name):
                        path.parent.mkdir(parents=True, exist_ok=True)
                        system.get_file(name, str(path))

    def store(self, paths: Iterable[Path]) -> None:
        """Take files to the storage, where each appears whole or not at all. Raises OutputError."""
        for path in paths:
            url = self.url(path)
            if url is not None:
                with _asking(url, OutputError, "be written"):
                    _put(path, *_opened(url))

    def remove(self, paths: Iterable[Path]) -> None:
        """Remove files from the storage. Raises OutputError."""
        for path in paths:
            url = self.url(path)
            if url is not None:
                with _asking(url, OutputError, "be removed"):
                    system, name = _opened(url)
                    system.rm_file(name)


def _opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, asked afresh, and the name of the file there."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise UsageError(f"{url}: files behind URLs need another package: {EXTRA}") from error
    try:
        system, name = url_to_fs(url)
    except ValueError as error:
        raise UsageError(f"{url}: unknown kind of URL; known are s3://, gs://, file:// and others of fsspec") from error
    except ImportError as error:
        raise UsageError(f"{url}: needs another package: {one_line(str(error))}") from error
    system.invalidate_cache()
    return system, str(name).rstrip("/")


def _put(path: Path, system: Any, name: str) -> None:
    schemes = {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)
    if schemes & PUT_WHOLE:
        system.put_file(str(path), name)
        return
    folder, _, last = name.rpartition("/")
    system.makedirs(folder, exist_ok=True)
    part = f"{folder}/.{last}.part"
    system.put_file(str(path), part)
    system.mv(part, name)


def _names(system: Any, base: str, *, below: bool) -> list[str]:
    """The files in a folder, and with `below` in those in it, named from there; none where there is no such folder."""
    try:
        found = system.find(base) if below else [file["name"] for file in system.ls(base) if file["type"] == "file"]
    except FileNotFoundError as error:
        if "bucket" in str(error):
            raise
        return []
    return [str(file)[len(base) :].lstrip("/") for file in found]


def _touch(name: str, place: Path) -> bool:
    """An empty file at the place that a relative name leads to, unless there is one. False where there can be none."""
    if name == "" or name.endswith("/"):
        return True  # a folder, or the file itself that was asked for, which may not be there
    if ".." in name.split("/") or PurePosixPath(name).as_posix() != name:
        return False
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    except (OSError, ValueError):
        return False
    return True


def _parts(scheme: str, rest: str) -> list[str]:
    parts = [part for part in rest.split("/") if part not in ("", ".")]
    if ".." in parts or not parts:
        raise UsageError(f"{scheme}://{rest}: no usable URL; give it as SCHEME://BUCKET/FOLDER, without `..`")
    return parts


@contextmanager
def _asking(url: str, kind: type[CineganError], what: str) -> Iterator[None]:
    """Whatever a file system raises becomes one line. There is no list of what each of them raises."""
    try:
        yield
    except CineganError:
        raise
    except Exception as error:
        raise kind(f"{url}: cannot {what}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    said = one_line(str(error)) or type(error).__name__
    name = type(error).__name__
    if isinstance(error, PermissionError) or "Credentials" in name or "Forbidden" in said:
        return f"{said}; give credentials as its own tools take them, such as AWS_ACCESS_KEY_ID, or `aws configure`"
    if isinstance(error, FileNotFoundError):
        return f"{said}; check its name"
    return f"{said}; check its name and the network"

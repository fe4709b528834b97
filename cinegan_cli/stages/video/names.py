"""Names of outputs: kinds, patterns of frames, sizes such as 5MB, and temporary names."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import MappingProxyType

from cinegan_cli.errors import UsageError

SUFFIXES = (".mp4", ".webm", ".mov", ".gif", ".webp", ".apng")
NUMBER_FIELD = re.compile(r"%0?\d*d")
UNITS = MappingProxyType(
    {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
)


def parse_bytes(text: str | None) -> int | None:
    """Bytes of "5MB", "800 KB", "4MiB" or a plain number. Raises `UsageError`."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", str(text))
    if match is None or match[2].lower() not in UNITS or not float(match[1]):
        raise UsageError(f"--max-bytes must be a size such as 5MB, 800KB or 4MiB, got {text!r}")
    return int(float(match[1]) * UNITS[match[2].lower()])


def writes_frames(path: Path) -> bool:
    """Whether an output is a folder of PNG frames, such as frames/%04d.png."""
    return path.suffix.lower() == ".png"


def files_of(output: Path) -> list[Path]:
    """The files of an output that exist: itself, or the frames of a pattern."""
    if writes_frames(output):
        return list(existing_frames(output))
    return [output] if output.exists() else []


def is_finished(output: Path) -> bool:
    """Outputs appear under their name only when complete, so one that exists is finished."""
    return bool(files_of(output))


def known_kinds() -> str:
    """The kinds of outputs there are, for error messages."""
    return ", ".join(SUFFIXES) + " or a pattern such as frames/%04d.png"


def existing_frames(pattern: Path) -> list[Path]:
    """Files that the pattern would write or that continue its numbering."""
    if not pattern.parent.is_dir() or len(NUMBER_FIELD.findall(pattern.name)) != 1:
        return []
    return [file for file in pattern.parent.iterdir() if frame_number(pattern, file) >= 0]


def frame_number(pattern: Path, file: Path) -> int:
    """Number of a file in the pattern's sequence, -1 for other files."""
    before, after = NUMBER_FIELD.split(pattern.name)
    match = re.fullmatch(re.escape(before) + r"(\d+)" + re.escape(after), file.name)
    if match is None or pattern.name % int(match[1]) != file.name:
        return -1
    return int(match[1])


def temporary_beside(path: Path, suffix: str) -> Path:
    """A hidden name in the same folder, so that the final rename is atomic; one per process."""
    return path.with_name(f".{path.name}.{os.getpid()}.part{suffix}")

"""`cinegan animate FOLDER`: every photo of a tree, mirrored; a failure never stops the others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from cinegan_cli.cli.options import Printer
from cinegan_cli.cli.runs import animate_one, with_outputs
from cinegan_cli.config import Config
from cinegan_cli.errors import BatchError, CineganError, InputError, UsageError

PHOTO_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif"}


def animate_folder(folder: Path, config: Config, printer: Printer, *, sidecar: bool, dry_run: bool) -> None:
    """Render every photo below `folder`. Raises `BatchError` at the end when some failed, naming them."""
    photos = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES and p.is_file())
    if not photos:
        raise InputError(f"{folder}: no photos in this folder ({', '.join(sorted(PHOTO_SUFFIXES))})")
    names = Counter(photo.with_suffix("") for photo in photos)
    failures: list[str] = []
    skipped = 0
    for photo in photos:
        name = photo.relative_to(folder)
        stem = name.with_suffix("") if names[photo.with_suffix("")] == 1 else name  # a.png beside a.jpg: keep both
        outputs = tuple(place(out, stem, config) for out in config.video.out)
        if all(map(is_finished, outputs)) and not config.video.overwrite:
            skipped += 1
            continue
        try:
            animate_one(photo, with_outputs(config, outputs), printer, sidecar=sidecar, dry_run=dry_run)
        except CineganError as error:
            failures.append(str(error))
            printer.notice(str(error))
    if skipped:
        printer.notice(f"{skipped} of {len(photos)} photos were done already; --overwrite renders them again")
    if failures:
        raise BatchError(f"{len(failures)} of {len(photos)} photos failed: " + "; ".join(failures))


def place(out: Path, stem: Path, config: Config) -> Path:
    """Where the loop of `stem` (relative to the source folder) goes: below a folder, or into a pattern's *."""
    if "*" in str(out):
        return Path(str(out).replace("*", str(stem)))
    if out.suffix:
        raise UsageError(f"--out {out}: for a folder of photos name a folder, or a pattern such as loops/*{out.suffix}")
    return out / stem.with_name(stem.name + (".gif" if config.video.preset == "gif" else ".mp4"))


def is_finished(output: Path) -> bool:
    """Outputs appear under their name only when complete, so one that exists is finished."""
    return output.parent.is_dir() and any(output.parent.iterdir()) if "%" in output.name else output.exists()

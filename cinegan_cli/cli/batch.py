"""`cinegan animate FOLDER`: every photo of a tree, mirrored; a failure never stops the others."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cinegan_cli.cli.options import Printer
from cinegan_cli.cli.runs import animate_one, with_outputs
from cinegan_cli.config import Config
from cinegan_cli.errors import BatchError, CineganError, InputError, UsageError, unexpected

PHOTO_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif"}

Plan = Mapping[Path, tuple[Path, ...]]  # photo → its outputs


def animate_folder(folder: Path, config: Config, printer: Printer, *, sidecar: bool, dry_run: bool) -> None:
    """Render every photo below `folder`. Raises `BatchError` at the end when some failed, naming them."""
    from cinegan_cli.session import Session
    from cinegan_cli.stages.video import is_finished

    session = Session(config.run)

    plan = plan_folder(folder, config)
    printer = replace(printer, collected=[])
    failures: list[str] = []
    skipped = 0
    for photo, outputs in plan.items():
        if all(map(is_finished, outputs)) and not config.video.overwrite:
            skipped += 1
            continue
        try:
            animate_one(
                photo, with_outputs(config, outputs), printer, sidecar=sidecar, dry_run=dry_run, session=session
            )
        except Exception as error:  # whatever it is, the other photos are not to blame
            reason = str(error) if isinstance(error, CineganError) else f"{photo}: {unexpected(error)[0]}"
            failures.append(reason)
            printer.notice(reason)
    if skipped:
        printer.notice(f"{skipped} of {len(plan)} photos were done already; --overwrite renders them again")
    printer.finish()
    if failures:
        raise BatchError(f"{len(failures)} of {len(plan)} photos failed: " + "; ".join(failures))


def plan_folder(folder: Path, config: Config) -> Plan:
    """Every photo below `folder` with its outputs; the run's masks and the loops of earlier runs are no photos.

    Raises `InputError` when there are none, `UsageError` when --out is no folder and no pattern.
    """
    from cinegan_cli.stages.video import files_of

    photos = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES and p.is_file())
    names = Counter(photo.with_suffix("") for photo in photos)
    plan = {}
    for photo in photos:
        name = photo.relative_to(folder)
        stem = name.with_suffix("") if names[photo.with_suffix("")] == 1 else name  # a.png beside a.jpg: keep both
        plan[photo] = tuple(place(out, stem, config) for out in config.video.out)
    others = {os.path.realpath(path) for path in (config.mask.mask, config.mask.freeze) if path is not None}
    others |= {os.path.realpath(f) for outputs in plan.values() for output in outputs for f in files_of(output)}
    plan = {photo: outputs for photo, outputs in plan.items() if os.path.realpath(photo) not in others}
    if not plan:
        raise InputError(f"{folder}: no photos in this folder ({', '.join(sorted(PHOTO_SUFFIXES))})")
    return plan


def place(out: Path, stem: Path, config: Config) -> Path:
    """Where the loop of `stem` (relative to the source folder) goes: below a folder, or into a pattern's *."""
    if "*" in str(out):
        return Path(str(out).replace("*", str(stem)))
    if out.suffix:
        raise UsageError(f"--out {out}: for a folder of photos name a folder, or a pattern such as loops/*{out.suffix}")
    return out / stem.with_name(stem.name + (".gif" if config.video.preset == "gif" else ".mp4"))

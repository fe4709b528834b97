"""Table dl-inversion: the ways to invert a photo into DeepLandscape's latents (DeepLandscape, supplement, table 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from cinegan_cli.config import Config
from cinegan_cli.errors import ModelMissingError
from cinegan_cli.evaluate.deeplandscape_judges import COLUMNS, moving_of, read_landscape_judges
from cinegan_cli.evaluate.photos import find_photos, spread
from cinegan_cli.evaluate.protocol import mean_figures
from cinegan_cli.evaluate.settings import EvaluateConfig
from cinegan_cli.evaluate.tables import Column, Results, Table, Value
from cinegan_cli.session import Session
from cinegan_cli.stages.mask import sight_of
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.systems.deeplandscape import VARIANTS, Inverted, invert_pixels, open_networks, variant_named
from cinegan_cli.types import Progress, silent

TABLE = (Column("method", "inversion"), *COLUMNS, Column("psnr", "PSNR↑", 1, "dB"), Column("seconds", "seconds↓", 1))


def run_landscape_inversion(
    paths: Sequence[Path], options: Mapping[str, Any], config: EvaluateConfig, *, progress: Progress = silent
) -> Results:
    """Each photo against the generator's picture of it, both at the generator's size, by `--variant`, or by all.

    The whole photo is compared. Raises ModelMissingError where there is no generator, or no encoder
    for a way that is nothing else.
    """
    setup = Config.from_options(**options)
    session = Session(setup.run, progress=progress)
    setup.require_read(system="deeplandscape")
    networks = open_networks(setup.inversion, session)
    ways = [variant_named(options["variant"])] if "variant" in options else list(VARIANTS.values())
    left_out = [way.name for way in ways if way.encoded and not way.steps and networks.encoder is None]
    ways = [way for way in ways if way.name not in left_out]
    if not ways:
        raise ModelMissingError(f"{networks.name}: holds no encoder, of which {left_out[0]} is all; take --variant MO")
    judges = read_landscape_judges(config)
    found = spread(find_photos(paths, config.split), config.count)
    photos = [(each.path.stem, read_photo(each.path, setup.photo)) for each in found]
    rows: list[dict[str, Value]] = []
    figures: dict[str, list[dict[str, float | None]]] = {}
    for done, (name, photo) in enumerate(photos):
        still = ~moving_of(sight_of(photo, setup.mask, session), photo.size, as_released=config.repo_compatible)
        for k, way in enumerate(ways):
            progress("inverting photos", done * len(ways) + k, len(photos) * len(ways))
            inverted = invert_pixels(
                photo.pixels, still.float(), networks, way, steps=setup.inversion.steps, session=session
            )
            made, wanted = pictures_of(inverted)
            row = judges.distances(made, wanted) | {"psnr": inverted.psnr, "seconds": inverted.seconds}
            figures.setdefault(way.name, []).append(row)
            rows.append({"method": way.name, "photo": name, **row})
    means = [{"method": name, **mean_figures(own)} for name, own in figures.items()]
    title = f"DeepLandscape: ways to invert, by {networks.name}"
    notes = [f"{len(photos)} photos at {networks.side} px on the short side; loss: {networks.perceptual_name}."]
    notes += [f"{name}: left out, the set holds no encoder." for name in left_out]
    if setup.inversion.steps is not None:
        notes.append(f"At most {setup.inversion.steps} steps of each part of the search.")
    return Results(
        Table(title, TABLE, tuple(means), (*notes, *judges.notes)),
        Table(f"{title}, each", (Column("photo", "photo"), *TABLE), tuple(rows)),
    )


def pictures_of(inverted: Inverted) -> tuple[Tensor, Tensor]:
    """What the generator made and what it should have made, [3, h, w] in [0, 1]."""
    made, wanted = (picture[0].cpu() / 2 + 0.5 for picture in (inverted.made, inverted.wanted))
    return made.clamp(0, 1), wanted.clamp(0, 1)

"""Table dl-generation: pictures that a DeepLandscape generator draws from nothing (DeepLandscape, section 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cinegan_cli.config import Config
from cinegan_cli.evaluate.deeplandscape_judges import COLUMNS, FRECHET_COLUMNS, moving_of, read_landscape_judges
from cinegan_cli.evaluate.photos import find_photos, spread
from cinegan_cli.evaluate.protocol import mean_figures
from cinegan_cli.evaluate.settings import EvaluateConfig
from cinegan_cli.evaluate.tables import Column, Results, Table, Value
from cinegan_cli.session import Session
from cinegan_cli.stages.mask import see
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.systems.deeplandscape import Networks, at_generator_size, open_networks
from cinegan_cli.types import Progress, silent

SQUARE = (4, 4)  # cells of the coarsest map
REAL = "photos, every second against the others"
TABLE = (Column("method", "pictures"), *FRECHET_COLUMNS, *COLUMNS, Column("still", "still share", 2))


def run_landscape_generation(
    paths: Sequence[Path], options: Mapping[str, Any], config: EvaluateConfig, *, progress: Progress = silent
) -> Results:
    """`config.samples` pictures against photos, and two frames of each sample against each other where nothing moves.

    The two frames have z_st and S_st in common; z_dyn and S_dyn are drawn for each. Photos are cut to squares and
    scaled to the generator's size. Raises ModelMissingError where there is no generator, InputError for bad photos.
    """
    setup = Config.from_options(**options, aspect="1:1")
    setup.require_read(system="deeplandscape")
    session = Session(setup.run)
    networks = open_networks(setup.inversion, session)
    judges = read_landscape_judges(config)
    found = spread(find_photos(paths, config.split), config.count)
    real, made = [], []
    for done, each in enumerate(found):
        progress("reading photos", done, len(found))
        pixels = read_photo(each.path, setup.photo).pixels
        real.append(judges.features(_shown(at_generator_size(pixels, SQUARE, networks.levels))))
    rows: list[dict[str, Value]] = []
    draw = PairSampler(networks, config.truncation)
    for done in range(config.samples):
        progress("drawing samples", done, config.samples)
        one, other = (_shown(picture) for picture in draw.pair())
        made.append(judges.features(one))
        seen = see((one * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous(), session=session)
        still = ~moving_of(seen, (one.shape[2], one.shape[1]), as_released=config.repo_compatible)
        share = {"still": float(still.float().mean())}
        rows.append({"method": networks.name, "sample": str(done), **judges.distances(other, one, still), **share})
    figures = [{key: value for key, value in row.items() if not isinstance(value, str)} for row in rows]
    means = [
        {"method": networks.name, **judges.frechet(made, real), **mean_figures(figures)},
        {"method": REAL, **judges.frechet(real[::2], real[1::2])},
    ]
    title = f"DeepLandscape: samples of {networks.name}"
    notes = (
        f"{config.samples} samples of {networks.side} px, truncation {config.truncation:g}; {len(real)} photos.",
        "SSIM and the perceptual distance: two frames of each sample, where the first shows no sky or water.",
        *judges.notes,
        judges.set_note,
    )
    each_title = f"{title}, each"
    return Results(
        Table(title, TABLE, tuple(means), notes), Table(each_title, (Column("sample", "sample"), *TABLE), tuple(rows))
    )


def _shown(picture: Tensor) -> Tensor:
    """[1, 3, h, w] in about [-1, 1] → [3, h, w] in [0, 1]."""
    return (picture[0].cpu() / 2 + 0.5).clamp(0, 1)


class PairSampler:
    """Draws from the generator of a set, with styles `truncation` of the way from the mean one."""

    def __init__(self, networks: Networks, truncation: float, *, seed: int = 0) -> None:
        self._networks, self._truncation = networks, truncation
        self._random = torch.Generator().manual_seed(seed)
        self._mean = networks.mean_w

    @torch.no_grad()
    def pair(self) -> tuple[Tensor, Tensor]:
        """Two frames [1, 3, S, S] of one sample: z_st and S_st are the same, z_dyn and S_dyn are not."""
        generator = self._networks.generator
        z, static = self._normal(1, generator.style_dim), self._maps()
        frames = []
        for _ in range(2):
            z = torch.cat((z[:, : -generator.dynamic_dim], self._normal(1, generator.dynamic_dim)), 1)
            w = torch.lerp(self._mean, generator.mapping(z), self._truncation)
            styles = w[:, None, None].expand(-1, self._networks.levels, 2, -1)
            frames.append(generator.synthesize(styles, static, self._maps()))
        return frames[0], frames[1]

    def _maps(self) -> list[Tensor]:
        return [self._normal(1, 1, SQUARE[0] << i, SQUARE[1] << i) for i in range(self._networks.levels)]

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self._random).to(self._mean.device)

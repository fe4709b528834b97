"""Table 5: what a generator makes of photos from w+ alone, and from w+ and the feature D_k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cinegan_cli.config import Config
from cinegan_cli.errors import ModelMissingError, UsageError
from cinegan_cli.evaluate.photos import find_photos, spread
from cinegan_cli.evaluate.protocol import Judges, distances, mean_figures, read_judges
from cinegan_cli.evaluate.settings import EvaluateConfig
from cinegan_cli.evaluate.tables import Column, Results, Table, Value
from cinegan_cli.measure import Features, frechet_distance
from cinegan_cli.models import Models
from cinegan_cli.precision import narrowed_for
from cinegan_cli.session import Session
from cinegan_cli.stages.bands import collapse
from cinegan_cli.systems.stylecinegan import Inverted, as_picture, choose_models, generator_bands, invert_photo
from cinegan_cli.types import Progress, silent

COLUMNS = (
    Column("method", "inversion"),
    Column("fid", "FID↓", 1),
    Column("lpips", "LPIPS↓", 4),
    Column("rmse", "RMSE↓", 2, "levels of 255"),
    Column("ms_ssim", "MS-SSIM↑", 4),
    Column("psnr", "PSNR↑", 1, "dB"),
)


def run_inversion(
    paths: Sequence[Path], options: Mapping[str, Any], config: EvaluateConfig, *, progress: Progress = silent
) -> Results:
    """Photos, cut to squares as the generator makes them, against its pictures of their latents.

    Raises ModelMissingError when there is no generator with its encoder.
    """
    setup = Config.from_options(**{"backbone": "stylecinegan", **options, "aspect": "1:1"})
    session = Session(setup.run)
    models = _generator_of(setup, session)
    judges = read_judges(config)
    found = spread(find_photos(paths, config.split), config.count)
    rows: list[dict[str, Value]] = []
    figures: dict[str, list[dict[str, float | None]]] = {}
    pools: dict[str, Features] = {}
    for done, each in enumerate(found):
        progress("inverting photos", done, len(found))
        inverted = invert_photo(each.path, setup, session)
        pixels = inverted.photo.pixels
        _pool(pools, "", pixels, judges)
        for method, made in pictures_of(inverted).items():
            row = distances(made, pixels, torch.ones_like(pixels[0], dtype=torch.bool), judges.lpips)
            figures.setdefault(method, []).append(row)
            rows.append({"method": method, "photo": each.path.stem, **row})
            _pool(pools, method, made, judges)
    title = f"Inversion by {models.name} (Table 5)"
    means: list[dict[str, Value]] = []
    for method, own in figures.items():
        means.append({"method": method, **mean_figures(own)})
        if method in pools and pools[method].count > 1:
            means[-1]["fid"] = frechet_distance(pools[method], pools[""])
    notes = (f"{len(found)} photos, cut to squares.", *judges.notes)
    return Results(
        Table(title, COLUMNS, tuple(means), notes),
        Table(f"{title}, each", (Column("photo", "photo"), *COLUMNS), tuple(rows)),
    )


def _generator_of(setup: Config, session: Session) -> Models:
    """Raises ModelMissingError, UsageError for the pyramid."""
    try:
        models = choose_models(setup.inversion, session)
    except ModelMissingError as error:
        if setup.inversion.models is not None:
            raise
        raise ModelMissingError(
            "--inversion: no generator with its encoder is installed; bring one in with `cinegan models import FILE...`"
        ) from error
    if models is None:
        raise UsageError("--backbone pyramid: has no latents; leave it out")
    return models


def pictures_of(inverted: Inverted) -> dict[str, Tensor]:
    """The photo from its latents, each float32 [3, H, W] in [0, 1]; with the residual band as it is rendered."""
    photo, inversion = inverted.photo, inverted.inversion
    size = (photo.size[1], photo.size[0])
    generator = inversion.models.generator().to(inversion.latents.w_plus.device)
    w_plus = inversion.latents.w_plus
    with torch.no_grad(), narrowed_for(generator, inversion.precision, w_plus.device):
        from_codes = as_picture(generator.synthesize(w_plus).cpu(), size).clamp(0, 1)
    whole = collapse(generator_bands(inversion.contributions, photo.pixels)).clamp(0, 1)
    feature = f"w+ and D{inversion.latents.index}"
    return {"w+ only": from_codes, feature: inverted.made, f"{feature}, with the residual": whole}


def _pool(pools: dict[str, Features], name: str, picture: Tensor, judges: Judges) -> None:
    if judges.extractor is not None:
        pools.setdefault(name, Features()).add(judges.extractor(picture[None]))

"""Latents of a photo as a file: written by `cinegan invert`, read by `animate --latents`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from cinegan_cli.errors import InputError
from cinegan_cli.models import Bundle, read_bundle, write_bundle
from cinegan_cli.nn.stylegan2 import Generator

KIND = "latents"
D10_SIDE = 64  # cells of D10 on the short side of a photo: sizes of all D_k are counted in these, whatever the index


@dataclass(frozen=True)
class Latents:
    """What a generator makes the photo from: the feature that carries its layout, and the codes of all layers.

    `w_plus` float32 [1, styles, 512] and `feature` float32 [1, C, h, w], the D_k with k = `index`
    (`docs/spec/stylecinegan.md`, section 1). The grid has the photo's aspect ratio.
    """

    w_plus: Tensor
    feature: Tensor
    index: int


def write_latents(path: Path, latents: Latents, models: str) -> None:
    """Write atomically; `models` names the set whose generator they belong to."""
    tensors = {"w_plus": latents.w_plus.cpu(), "feature": latents.feature.cpu()}
    write_bundle(path, Bundle(KIND, {"index": latents.index, "models": models}, tensors))


def read_latents(path: Path, generator: Generator, grid: tuple[int, int]) -> Latents:
    """Latents for `generator` and a photo whose D10 has `grid` (rows, columns) cells.

    Raises InputError when the file is damaged, or was made for another generator or another shape of photo.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; make it with `cinegan invert PHOTO --out {path.name}`")
    bundle = read_bundle(path, KIND)
    try:
        latents = Latents(bundle.tensors["w_plus"], bundle.tensors["feature"], int(bundle.config["index"]))
        fits = latents.w_plus.shape == (1, generator.config.n_styles, generator.config.style_dim)
        channels, scale = generator.config.channels(latents.index), generator.config.side(latents.index) / D10_SIDE
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{path}: not the latents of a photo ({error}); make them again with `cinegan invert`"
        ) from error
    wanted = (1, channels, round(grid[0] * scale), round(grid[1] * scale))
    if not fits or latents.feature.shape != wanted:
        raise InputError(
            f"{path}: made for another generator or another shape of photo (D{latents.index} is "
            f"{tuple(latents.feature.shape)}, not {wanted}); make them again with `cinegan invert`"
        )
    if not bool(latents.w_plus.isfinite().all() and latents.feature.isfinite().all()):
        raise InputError(f"{path}: holds values that are not finite; make it again with `cinegan invert`")
    return latents

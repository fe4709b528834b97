"""Fréchet Inception distance (Heusel et al. 2017) with a feature network that the user brings as TorchScript."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import torch
from torch import Tensor

from cinegan_cli.errors import InputError

MOST_FEATURES = 8192
SWITCHES = ("rescale", "resize", "return_features")  # of networks that leave normalising and resizing open


class Features:
    """Mean and covariance of feature vectors as they pass; keeps sums alone, in float64."""

    def __init__(self) -> None:
        self.count = 0
        self._sum: Tensor | None = None
        self._products: Tensor | None = None

    def add(self, features: Tensor) -> None:
        """`features` [B, D]."""
        batch = features.detach().to("cpu", torch.float64)
        if self._sum is None or self._products is None:
            width = batch.shape[1]
            self._sum, self._products = batch.new_zeros(width), batch.new_zeros(width, width)
        self._sum += batch.sum(0)
        self._products += batch.T @ batch
        self.count += len(batch)

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean [D] and covariance [D, D] (over count - 1). Raises ValueError for fewer than 2 vectors."""
        if self._sum is None or self._products is None or self.count < 2:
            raise ValueError(f"need 2 or more feature vectors, got {self.count}")
        mean = self._sum / self.count
        return mean, (self._products - self.count * torch.outer(mean, mean)) / (self.count - 1)


def frechet_distance(one: Features, other: Features) -> float:
    """|m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½), 0 for the same features."""
    (m1, c1), (m2, c2) = one.statistics(), other.statistics()
    # (C1 C2)^½ has the trace of (C1^½ C2 C1^½)^½, which is symmetric: its eigenvalues are real and found stably
    values, vectors = torch.linalg.eigh(c1)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    shared = torch.linalg.eigvalsh(root @ c2 @ root).clamp_min(0).sqrt().sum()
    return max(0.0, float((m1 - m2).square().sum() + c1.trace() + c2.trace() - 2 * shared))


class Extractor:
    """Pictures or clips → feature vectors, by a TorchScript module called with uint8 [B, 3, H, W] or [B, 3, T, H, W].

    The module resizes and normalises by itself and returns [B, D] (or [B, D, 1, 1]), as the widely used
    `inception-2015-12-05.pt` and `i3d_torchscript.pt` do; those of `SWITCHES` that it takes are on.
    """

    def __init__(self, path: Path, network: str = "Inception") -> None:
        """Raises InputError when the file is no such module."""
        if not path.is_file():
            raise InputError(f"{path}: no such file; name an {network} network as TorchScript (.pt)")
        self._path = path
        try:
            with warnings.catch_warnings():  # torch gives TorchScript up; the published network comes as nothing else
                warnings.simplefilter("ignore", DeprecationWarning)
                self._module: torch.nn.Module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
        except Exception as error:  # of many kinds, with the whole C++ stack in it
            raise InputError(f"{path}: no TorchScript file; save the network with torch.jit.save") from error
        names = [argument.name for argument in self._module.forward.schema.arguments]
        self._switches = {name: True for name in SWITCHES if name in names}

    def __call__(self, pictures: Tensor) -> Tensor:
        """[B, 3, H, W], or clips [B, 3, T, H, W], in [0, 1] → [B, D]."""
        levels = (pictures * 255).round().to(torch.uint8)
        try:
            made = self._module(levels, **self._switches)
        except RuntimeError as error:
            reason = (str(error).strip().splitlines() or ["it failed"])[-1]
            taken = "pictures [B, 3, H, W]" if pictures.ndim == 4 else f"clips {list(pictures.shape)}"
            raise InputError(f"{self._path}: does not take uint8 {taken} ({reason})") from error
        features: Tensor = made.flatten(1) if isinstance(made, Tensor) and made.ndim > 1 else torch.empty(0)
        if len(features) != len(pictures) or not 1 <= math.prod(features.shape[1:]) <= MOST_FEATURES:
            raise InputError(f"{self._path}: must return features [B, D] with D up to {MOST_FEATURES}")
        return features

"""Fréchet distances and MS-SSIM against closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cinegan_cli.errors import InputError
from cinegan_cli.measure.frechet import Extractor, Features, frechet_distance
from cinegan_cli.measure.metrics import ms_ssim
from tests.torchscript import write_script


def features(rows: torch.Tensor) -> Features:
    """Taken in two parts, as they come from frames."""
    found = Features()
    found.add(rows[:3])
    found.add(rows[3:])
    return found


def test_frechet_distance_of_scaled_and_shifted_features(generator: torch.Generator) -> None:
    rows = torch.randn(200, 5, generator=generator, dtype=torch.float64)
    shift = torch.arange(5.0)
    # covariances C and 9 C: |m1 - m2|² + tr(C + 9 C - 2 (9 C²)^½) = |m1 - m2|² + 4 tr C
    expected = float((shift + 2 * rows.mean(0)).square().sum() + 4 * rows.T.cov().trace())
    assert frechet_distance(features(rows), features(3 * rows + shift)) == pytest.approx(expected)
    assert frechet_distance(features(rows), features(rows)) == pytest.approx(0, abs=1e-6)


def test_features_of_one_picture_have_no_covariance() -> None:
    one = Features()
    one.add(torch.ones(1, 3))
    with pytest.raises(ValueError, match=r"\b2\b"):
        one.statistics()


def test_extractor_refuses_a_network_that_gives_no_features(tmp_path: Path) -> None:
    class Sum(torch.nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return pictures.sum()

    write_script(Sum(), tmp_path / "sum.pt")
    with pytest.raises(InputError, match=r"sum\.pt"):
        Extractor(tmp_path / "sum.pt")(torch.zeros(1, 3, 16, 16))


def test_ms_ssim_of_even_and_of_blurred_pictures(generator: torch.Generator) -> None:
    one, other = torch.full((3, 180, 200), 0.2), torch.full((3, 180, 200), 0.6)
    luminance = (2 * 0.2 * 0.6 + 0.01**2) / (0.2**2 + 0.6**2 + 0.01**2)
    assert ms_ssim(one, other) == pytest.approx(luminance**0.1333, abs=5e-4)  # float32; seen 1.1e-4
    picture = torch.rand(3, 16, 20, generator=generator, dtype=torch.float64)
    at = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(at, at) / at.sum() ** 2
    patches = np.lib.stride_tricks.sliding_window_view(picture.numpy(), (11, 11), axis=(1, 2))
    mean = (patches * window).sum((3, 4))
    spread = (patches**2 * window).sum((3, 4)) - mean**2
    # against half of itself, at the one scale that fits: SSIM in closed form
    light = (mean**2 + 0.01**2) / (1.25 * mean**2 + 0.01**2)
    contrast = (spread + 0.03**2) / (1.25 * spread + 0.03**2)
    expected = (light * contrast).mean((1, 2)).mean()
    assert ms_ssim(picture, picture / 2) == pytest.approx(expected, abs=1e-5)

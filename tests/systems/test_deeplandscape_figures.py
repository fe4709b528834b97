"""DeepLandscape's inversion gives the authors' own losses, gradients and steps for seeded weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import cinegan_cli.systems.deeplandscape as dl
from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.nn.vgg import Vgg
from cinegan_cli.systems.deeplandscape import VARIANTS
from cinegan_cli.systems.deeplandscape.objective import objectives_of
from tests.deeplandscape_tools import compare, figures, maps, normal, picture, seeded, still_mask

LEVELS = 6
STEP = 1e-2  # of the std: gradients pass the kinks of ReLU and L1


@pytest.fixture(scope="module")
def networks() -> tuple[Generator, Vgg]:
    generator, perceptual = seeded(Generator, "generator"), seeded(Vgg, "perceptual")
    return generator.requires_grad_(False), perceptual.requires_grad_(False)


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return picture(5700, 1, 3, 128, 128)


@pytest.fixture(scope="module")
def w() -> Tensor:
    return normal(5001, 1, 8, 2, 512)[:, :LEVELS]


def check(prefix: str, w: Tensor, static: list[Tensor], dynamic: list[Tensor]) -> None:
    """Compare with all figures under `prefix`."""
    found = {"w": w}
    for name, levels in (("static", static), ("dynamic", dynamic)):
        found |= {f"{name}_{level.shape[2]}": level for level in levels}
    wanted = {name.removeprefix(prefix): entry for name, entry in figures().items() if name.startswith(prefix)}
    wanted.pop("losses", None)  # of the steps: see `test_losses_of_steps`
    assert wanted
    for name, entry in wanted.items():
        compare(entry, found[name], STEP)


@torch.no_grad()
def test_losses(networks: tuple[Generator, Vgg], photo: Tensor, w: Tensor) -> None:
    generator, perceptual = networks
    made = generator.synthesize(w, *maps(LEVELS))
    penalty = dl.latent_penalty(w, w + 0.1 * normal(5702, 1, LEVELS, 2, 512))
    compare(figures()["losses"], torch.stack([(made - photo).abs().mean(), perceptual(made, photo).sum(), penalty]))


@pytest.mark.parametrize(("variant", "iteration"), [("eoi", 0), ("eoifs", 0), ("eoifs", 1)])
def test_gradients(networks: tuple[Generator, Vgg], photo: Tensor, w: Tensor, variant: str, iteration: int) -> None:
    w_start = w + 0.1 * normal(5702, 1, LEVELS, 2, 512)
    still = still_mask() if variant == "eoifs" else None
    found = dl.latent_gradients(
        *networks, photo, w, w_start, *maps(LEVELS), variant=variant, iteration=iteration, still=still
    )
    check(f"{variant}_gradient{iteration}_", *found)
    if variant == "eoifs":
        assert not any(level.any() for level in found[1 + iteration])  # as `eoifs_untouched`


@pytest.mark.parametrize(("variant", "steps"), [("eoi", 1), ("eoifs", 1), ("eoifs", 2)])
def test_steps(networks: tuple[Generator, Vgg], photo: Tensor, w: Tensor, variant: str, steps: int) -> None:
    zeros = [torch.zeros_like(level) for level in maps(LEVELS)[0]]
    still = still_mask() if variant == "eoifs" else None
    moved, static, dynamic = dl.invert(*networks, photo, w, zeros, zeros, variant=variant, steps=steps, still=still)
    check(f"{variant}_{steps}step{'s' if steps > 1 else ''}_", moved - w, static, dynamic)
    if steps == 1 and variant == "eoifs":
        assert not any(level.any() for level in static)


@pytest.mark.parametrize("variant", ["eoi", "eoifs"])
@torch.no_grad()
def test_losses_of_steps(networks: tuple[Generator, Vgg], photo: Tensor, w: Tensor, variant: str) -> None:
    way = VARIANTS[variant.upper()]
    still = still_mask() if way.routed else None
    objectives = objectives_of(networks[1], photo, way, still)
    zeros = [torch.zeros_like(level) for level in maps(LEVELS)[0]]
    with torch.enable_grad():
        after = dl.invert(*networks, photo, w, zeros, zeros, variant=variant, steps=1, still=still)
    rows = []
    for step, (moved, static, dynamic) in enumerate([(w, zeros, zeros), after]):
        distance, seen = objectives[step % len(objectives)].losses(networks[0].synthesize(moved, static, dynamic))
        rows.append(torch.stack([distance, way.perceptual * seen, way.penalty * dl.latent_penalty(moved, w)]))
    compare(figures()[f"{variant}_2steps_losses"], torch.stack(rows), STEP)

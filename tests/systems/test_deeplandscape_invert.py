"""Inversion of photos into DeepLandscape's latents: the variants, two regions that leave each other alone, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import cinegan_cli.systems.deeplandscape as dl
from cinegan_cli.errors import CancelledError, InputError, ModelMissingError
from cinegan_cli.session import Session
from cinegan_cli.systems.deeplandscape.finetune import moved_anywhere
from cinegan_cli.systems.deeplandscape.plateau import Plateau
from tests.systems.small_deeplandscape import LEVELS, STYLES, landscape, small_networks


@pytest.fixture(scope="module")
def networks() -> dl.Networks:
    return small_networks()


@pytest.fixture
def photo() -> Tensor:
    return landscape(32, 48)


@pytest.fixture
def still(photo: Tensor) -> Tensor:
    """The land."""
    mask = torch.zeros(photo.shape[1:])
    mask[16:] = 1
    return mask


def inverted(
    photo: Tensor, networks: dl.Networks, name: str, steps: int = 4, still: Tensor | None = None
) -> dl.Inverted:
    return dl.invert_pixels(photo, still, networks, dl.variant_named(name), steps=steps, session=Session())


def maps(fill: float = 0.0, grid: tuple[int, int] = (4, 4)) -> list[Tensor]:
    return [torch.full((1, 1, grid[0] << i, grid[1] << i), fill) for i in range(LEVELS)]


def test_the_variants_are_those_of_the_paper_and_ours() -> None:
    assert list(dl.VARIANTS) == ["I2S", "MO", "E", "EO", "EOI", "EOIF", "EOIFS", "STEADY"]
    facts = {name: (way.encoded, way.steps, way.penalty, way.tuning, way.routed) for name, way in dl.VARIANTS.items()}
    assert facts == {
        "I2S": (False, 4000, 0, 0, False),
        "MO": (False, 500, 0, 0, False),
        "E": (True, 0, 0, 0, False),
        "EO": (True, 500, 0, 0, False),
        "EOI": (True, 500, 1, 0, False),
        "EOIF": (True, 500, 1, 500, False),
        "EOIFS": (True, 500, 1, 500, True),
        "STEADY": (True, 500, 1, 500, True),
    }
    assert dl.variant_named("eoifs") is dl.VARIANTS["EOIFS"]
    with pytest.raises(ValueError, match="I2S"):
        dl.variant_named("EOX")


def test_the_plateau_is_that_of_torch() -> None:
    losses = [1 / (1 + k // 3) + (0.1 if k % 2 else 0) for k in range(12)] + [0.3] * 20
    ours = Plateau(0.1, 4)
    adam = torch.optim.Adam([torch.zeros(1)], lr=0.1)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(adam, factor=0.5, patience=4)
    for loss in losses:
        ours.see(loss)
        theirs.step(loss)
        assert ours.rate == adam.param_groups[0]["lr"]
    assert ours.rate < 0.1


@pytest.mark.parametrize("name", list(dl.VARIANTS))
def test_every_variant_inverts_a_wide_photo(networks: dl.Networks, photo: Tensor, still: Tensor, name: str) -> None:
    found = inverted(photo, networks, name, still=still)
    codes = found.latents.codes
    assert codes.w.shape == (1, LEVELS, 2, STYLES)
    assert [tuple(level.shape[2:]) for level in codes.static] == [(4 << i, 6 << i) for i in range(LEVELS)]
    assert found.made.shape == found.wanted.shape == (1, 3, 32, 48)
    assert bool(found.latents.added) == (dl.VARIANTS[name].tuning > 0)
    assert found.side_by_side().shape == (32, 96, 3)
    assert 0 <= found.ssim <= 1
    assert found.perceptual > 0


@pytest.mark.parametrize("name", ["MO", "EO", "EOI", "EOIFS"])
def test_steps_bring_the_picture_nearer(networks: dl.Networks, photo: Tensor, still: Tensor, name: str) -> None:
    before, after = (inverted(photo, networks, name, steps, still) for steps in (1, 40))
    assert after.psnr > before.psnr + 3


def test_i2s_moves_styles_alone(networks: dl.Networks, photo: Tensor) -> None:
    few, many = (inverted(photo, networks, "I2S", steps).latents.codes for steps in (1, 3))
    assert not few.w.equal(many.w)
    assert all(a.equal(b) for a, b in zip(few.static + few.dynamic, many.static + many.dynamic, strict=True))
    assert 0.9 < float(many.static[-1].std()) < 1.1


def test_eoifs_leaves_each_region_the_maps_of_the_other(networks: dl.Networks, photo: Tensor, still: Tensor) -> None:
    codes = inverted(photo, networks, "EOIFS", 12, still).latents.codes
    for i in range(LEVELS):
        rows = 2 << i  # of the sky
        assert not codes.static[i][:, :, :rows].any()
        assert not codes.dynamic[i][:, :, rows:].any()
        assert codes.static[i][:, :, rows:].any()
        assert codes.dynamic[i][:, :, :rows].any()


def test_the_release_lets_momentum_move_maps_on(networks: dl.Networks, photo: Tensor, still: Tensor) -> None:
    w, square = torch.zeros(1, LEVELS, 2, STYLES), photo[None, :, :, :32] * 2 - 1
    run = {
        steps: dl.invert(
            *(networks.generator, networks.perceptual, square, w, maps(), maps()),
            variant="eoifs",
            steps=steps,
            still=still[None, None, :, :32],
        )
        for steps in (1, 2)
    }
    first, second = run[1][2][0], run[2][2][0]
    assert torch.allclose((second - first).abs().max() / first.abs().max(), torch.tensor(0.67), atol=0.02)
    assert not any(level.any() for level in run[1][1])
    assert not w.any()  # nor was an input changed


def test_an_iteration_of_eoifs_has_gradients_for_one_kind_of_map(
    networks: dl.Networks, photo: Tensor, still: Tensor
) -> None:
    w, square = torch.zeros(1, LEVELS, 2, STYLES), photo[None, :, :, :32] * 2 - 1
    for iteration in (0, 1):
        found, static, dynamic = dl.latent_gradients(
            *(networks.generator, networks.perceptual, square, w, w, maps(), maps()),
            variant="eoifs",
            iteration=iteration,
            still=still[None, None, :, :32],
        )
        assert found.any()
        moving, idle = (dynamic, static) if iteration == 0 else (static, dynamic)
        assert all(level.any() for level in moving)
        assert not any(level.any() for level in idle)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_photo_with_one_region_has_one_objective(networks: dl.Networks, photo: Tensor, value: float) -> None:
    codes = inverted(photo, networks, "EOIFS", 3, torch.full(photo.shape[1:], value)).latents.codes
    moved, idle = (codes.static, codes.dynamic) if value else (codes.dynamic, codes.static)
    assert all(level.all() for level in moved[:2])
    assert not any(level.any() for level in idle)


def test_fine_tuning_lowers_the_loss_and_leaves_the_generator_of_the_set(networks: dl.Networks, photo: Tensor) -> None:
    before = {name: value.clone() for name, value in networks.generator.state_dict().items()}
    plain, tuned = (inverted(photo, networks, name, 30) for name in ("EOI", "EOIF"))
    assert tuned.psnr > plain.psnr + 0.5
    assert all(value.equal(before[name]) for name, value in networks.generator.state_dict().items())
    assert not any(name.startswith("style.") for name in tuned.latents.added)


def test_it_says_how_long_it_will_take_and_what_is_left(networks: dl.Networks, photo: Tensor) -> None:
    said: list[str] = []
    told: list[tuple[str, int, int]] = []
    session = Session(progress=lambda *what: told.append(what))
    way = dl.VARIANTS["EOIF"]
    dl.invert_pixels(photo, None, networks, way, steps=3, session=session, say=said.append)
    assert len(said) == 1
    assert "3 steps and 3 of fine-tuning" in said[0]
    assert [done for what, done, total in told] == [0, 1, 2] * 2
    assert "loss" in told[1][0]
    assert "left" in told[1][0]


def test_it_ends_early_once_settled(networks: dl.Networks, photo: Tensor) -> None:
    told: list[int] = []
    session = Session(progress=lambda what, done, total: told.append(done))
    blank = small_networks()
    with torch.no_grad():
        for value in blank.generator.parameters():
            value.zero_()  # nothing makes a difference
    dl.invert_pixels(photo, None, blank, dl.VARIANTS["EOI"], session=session)
    assert len(told) == 101


def test_it_can_be_cancelled(networks: dl.Networks, photo: Tensor) -> None:
    session = Session()
    session.cancel()
    with pytest.raises(CancelledError):
        dl.invert_pixels(photo, None, networks, dl.VARIANTS["EOI"], steps=3, session=session)


def test_without_an_encoder_the_search_begins_at_the_mean(photo: Tensor) -> None:
    said: list[str] = []
    bare = small_networks(encoder=False)
    dl.invert_pixels(photo, None, bare, dl.VARIANTS["EOI"], steps=1, session=Session(), say=said.append)
    assert "no encoder" in said[0]
    with pytest.raises(ModelMissingError, match="--variant MO"):
        inverted(photo, bare, "E")


def test_weights_that_are_not_finite_are_reported(photo: Tensor) -> None:
    broken = small_networks()
    with torch.no_grad():
        next(broken.generator.parameters()).fill_(float("nan"))
    for name in ("E", "EOI"):
        with pytest.raises(InputError, match="not finite"):
            inverted(photo, broken, name)


@pytest.mark.parametrize(("height", "width", "grid"), [(20, 20, (4, 4)), (16, 400, (4, 12)), (300, 200, (6, 4))])
def test_small_and_narrow_photos(networks: dl.Networks, height: int, width: int, grid: tuple[int, int]) -> None:
    found = inverted(landscape(height, width), networks, "EOIF", 2)
    assert found.latents.grid == grid
    assert found.side_by_side().shape == (height, 2 * width, 3)
    assert found.ssim < 1


def test_wrong_shapes_are_refused(networks: dl.Networks) -> None:
    w = torch.zeros(1, LEVELS, 2, STYLES)
    arguments = (networks.generator, networks.perceptual, torch.zeros(1, 3, 32, 32), w, w, maps(), maps())
    with pytest.raises(ValueError, match="still"):
        dl.latent_gradients(*arguments, variant="eoifs", iteration=0)
    with pytest.raises(ValueError, match="photo"):
        dl.latent_gradients(*arguments[:5], maps(grid=(4, 6)), maps(grid=(4, 6)), variant="eoi", iteration=0)


@pytest.fixture(scope="module")
def found(networks: dl.Networks) -> dl.Inverted:
    return inverted(landscape(32, 48), networks, "EOIF", 20)


@pytest.fixture
def kept(found: dl.Inverted, networks: dl.Networks, tmp_path: Path) -> Path:
    path = tmp_path / "latents.safetensors"
    dl.write_latents(path, found.latents, networks.generator, networks.name)
    return path


def test_latents_come_back_with_the_generator_fitted_to_them(
    kept: Path, found: dl.Inverted, networks: dl.Networks
) -> None:
    latents, generator = dl.read_latents(kept, networks.generator, (4, 6))
    assert (latents.variant, latents.grid) == ("EOIF", (4, 6))
    assert latents.added.keys() == found.latents.added.keys()
    again = generator.synthesize(*latents.codes)
    assert (again - found.made).abs().max() < 2 / 255  # of a range of 2: one level
    assert (networks.generator.synthesize(*latents.codes) - found.made).abs().max() > 4 / 255


def test_latents_of_something_else_are_refused(kept: Path, networks: dl.Networks, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another shape"):
        dl.read_latents(kept, networks.generator, (4, 4))
    torch.manual_seed(1)
    other = type(networks.generator)(levels=LEVELS, style_dim=STYLES, multiplier=1 / 16, mapping_layers=2)
    with pytest.raises(InputError, match="another generator, of the set small"):
        dl.read_latents(kept, other, (4, 6))
    with pytest.raises(InputError, match="no such file"):
        dl.read_latents(tmp_path / "none.safetensors", networks.generator, (4, 6))
    kept.write_bytes(kept.read_bytes()[:-50])
    with pytest.raises(InputError):
        dl.read_latents(kept, networks.generator, (4, 6))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t, c: t["w"].fill_(float("nan")),
        lambda t, c: t.pop("static.2"),
        lambda t, c: t.update({"dynamic.1": t["dynamic.1"][:, :, :4]}),
        lambda t, c: t.update({"tuned.no.such": t["w"] + 1}),
        lambda t, c: c.pop("levels"),
        lambda t, c: c.update(levels="many"),
        lambda t, c: c.update(levels=99),
    ],
)
def test_damaged_latents_are_refused(spoil: object, kept: Path, networks: dl.Networks) -> None:
    from cinegan_cli.models import read_bundle, write_bundle

    bundle = read_bundle(kept, "deeplandscape latents")
    tensors, config = dict(bundle.tensors), dict(bundle.config)
    spoil(tensors, config)  # type: ignore[operator]
    write_bundle(kept, replace(bundle, tensors=tensors, config=config))
    with pytest.raises(InputError):
        dl.read_latents(kept, networks.generator, (4, 6))


def test_latents_of_the_other_system_are_refused(networks: dl.Networks, tmp_path: Path) -> None:
    from cinegan_cli.systems.stylecinegan import write_latents
    from cinegan_cli.systems.stylecinegan.latents import Latents

    path = tmp_path / "latents.safetensors"
    write_latents(path, Latents(torch.zeros(1, 2, 3), torch.zeros(1, 1, 2, 2), 10), "other")
    with pytest.raises(InputError, match="holds a latents model"):
        dl.read_latents(path, networks.generator, (4, 6))


def test_a_steady_generator_keeps_the_photo_while_noise_moves(
    networks: dl.Networks, photo: Tensor, still: Tensor
) -> None:
    errors = []
    for name in ("EOIFS", "STEADY"):
        found = inverted(photo, networks, name, 40, still)
        codes, random = found.latents.codes, torch.Generator().manual_seed(7)
        noises = [moved_anywhere(codes.dynamic, random) for _ in range(6)]
        with torch.no_grad():
            made = [found.generator.synthesize(codes.w, codes.static, maps) for maps in noises]
        land = torch.stack([(one - found.wanted)[..., 20:, :].abs().mean() for one in made])
        errors.append(float(land.mean()))
    assert errors[1] < 0.9 * errors[0]

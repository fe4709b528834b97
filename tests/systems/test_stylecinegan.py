"""A generator in the stages: inversion, bands against the deep path, masks and motion from its networks, style."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cinegan_cli.config import Config, InversionConfig, MaskConfig, PhotoConfig, RenderConfig, StyleConfig
from cinegan_cli.errors import InputError, ModelMissingError, UsageError
from cinegan_cli.models.store import Models, open_models
from cinegan_cli.pipeline import render
from cinegan_cli.scene import prepare, prepare_look
from cinegan_cli.session import Session
from cinegan_cli.stages.look.keys import between, strength_at
from cinegan_cli.stages.look.target import Target
from cinegan_cli.stages.mask.make import make_mask
from cinegan_cli.stages.motion.pix2pixhd import without_outliers
from cinegan_cli.stages.photo.read import read_photo
from cinegan_cli.stages.warp.frames import warped_frames
from cinegan_cli.systems import choose_system
from cinegan_cli.systems.stylecinegan import invert_photo
from cinegan_cli.systems.stylecinegan.bands import generator_bands
from cinegan_cli.systems.stylecinegan.codes import styled_inversion, target_codes
from cinegan_cli.systems.stylecinegan.deep import deep_frames, first_index
from cinegan_cli.systems.stylecinegan.invert import analyse, choose_models, grid_of
from cinegan_cli.systems.stylecinegan.latents import Latents, read_latents, write_latents
from cinegan_cli.systems.stylecinegan.refine import refine
from cinegan_cli.types import Motion, Scene, silent
from tests.small_models import CONFIG, write_models
from tests.small_scene import write_scene

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models") / "small.safetensors")


@pytest.fixture
def models(bundle: Path) -> Models:
    return open_models(bundle)


@pytest.fixture
def scene_folder(tmp_path: Path) -> Path:
    write_scene(tmp_path)
    return tmp_path


def options(folder: Path, bundle: Path, **more: object) -> Config:
    given = {"mask": folder / "mask.png", "motion": folder / "motion.npy"}
    return Config.from_options(models=str(bundle), seconds=0.2, **{**given, **more})


def swirl(side: int) -> Motion:
    """A smooth flow, up to 3 cells per second."""
    y, x = torch.meshgrid(torch.arange(side) / side, torch.arange(side) / side, indexing="ij")
    return Motion(3 * torch.stack([torch.sin(3 * y) + 0.2, torch.cos(2 * x)]), "given")


@pytest.mark.parametrize("warp_index", [10, 12])
def test_bands_and_deep_path_agree_inside_covered_pixels(models: Models, warp_index: int) -> None:
    generator = models.generator()
    latents = Latents(torch.randn(1, CONFIG.n_styles, 8), torch.randn(1, 12, 64, 64), 10)
    features = generator.features_from(latents.feature, latents.w_plus, 10)
    loop = RenderConfig(seconds=1.0, fps=4, warp="splat", blend="linear")
    deep = deep_frames(
        generator,
        latents,
        swirl(64),
        None,
        size=(256, 256),
        render=loop,
        inversion=InversionConfig(mode="deep", warp_index=warp_index),
        precision="float32",
    )
    contributions = tuple(band[0] for band in features.rgb)
    bands = generator_bands(contributions, torch.zeros(3, 256, 256), residual=False)
    picture = torch.zeros(3, 256, 256)
    shallow = warped_frames(picture, bands, swirl(64), torch.ones(256, 256, dtype=torch.uint8), loop)
    # the generator's upsampling reads zeros beyond the border, the bands' repeats it: 8 px of the picture
    inner = (slice(None), slice(8, -8), slice(8, -8))
    scale = float(torch.stack([band.abs().max() for band in contributions]).max())
    for a, b in zip(deep, shallow, strict=True):
        assert float((a - b)[inner].abs().max()) < 1e-4 * scale


def test_an_odd_warp_index_runs_the_rest_of_its_block_on_every_frame(models: Models) -> None:
    generator = models.generator()
    latents = Latents(torch.randn(1, CONFIG.n_styles, 8), torch.randn(1, 12, 64, 64), 10)
    loop = RenderConfig(seconds=1.0, fps=3, warp="splat", blend="linear")

    def frames(**inversion: object) -> list[Tensor]:
        config = InversionConfig(mode="deep", **inversion)  # type: ignore[arg-type]
        return list(
            deep_frames(
                generator, latents, swirl(64), None, size=(256, 256), render=loop, inversion=config, precision="float32"
            )
        )

    whole, odd, first = frames(), frames(warp_index=11), frames(warp_levels="first")
    assert torch.equal(whole[0], odd[0])
    assert torch.equal(whole[0], first[0])
    assert all(float((a - b).abs().max()) > 1e-3 for a, b in zip(whole[1:], odd[1:], strict=True))
    assert all(float((a - b).abs().max()) > 1e-3 for a, b in zip(whole[1:], first[1:], strict=True))


def test_warp_index_must_follow_the_inversion() -> None:
    assert [first_index(k, None, 18) for k in (9, 10, 11, 12)] == [10, 10, 12, 12]
    with pytest.raises(UsageError, match="--warp-index 9"):
        first_index(10, 9, 18)


@pytest.mark.parametrize("more", [{}, {"warp": "splat", "blend": "linear"}, {"mode": "deep"}, {"warp": "backward"}])
def test_frame_0_is_the_photo_and_static_pixels_stay(scene_folder: Path, bundle: Path, more: dict[str, object]) -> None:
    config = options(scene_folder, bundle, **more)
    scene = prepare(scene_folder / "photo.png", config)
    photo, static = scene.photo.pixels_u8.numpy(), scene.mask.alpha.numpy() == 0
    frames = list(render(scene, config))
    assert choose_system(config, Session()).name == "small"
    assert np.abs(frames[0].astype(int) - photo).max() <= 1
    assert all((frame[static] == photo[static]).all() for frame in frames)
    assert any((frame != photo).any() for frame in frames[1:])


def test_without_the_residual_the_moving_part_is_the_generators(scene_folder: Path, bundle: Path) -> None:
    config = options(scene_folder, bundle, mode="deep", no_residual=True)
    scene = prepare(scene_folder / "photo.png", config)
    made = invert_photo(scene_folder / "photo.png", config).made
    moving = scene.mask.alpha == 1
    first = torch.from_numpy(next(iter(render(scene, config)))).permute(2, 0, 1) / 255
    assert torch.allclose(first[:, moving], made[:, moving], atol=1.01 / 255)


@pytest.mark.parametrize(
    ("size", "grid"), [((1024, 1024), (64, 64)), ((1500, 1000), (64, 96)), ((900, 1600), (114, 64))]
)
def test_the_grid_of_d10_has_the_photos_shape(size: tuple[int, int], grid: tuple[int, int]) -> None:
    assert grid_of(*size) == grid


def test_a_panorama_gets_a_coarser_grid_not_a_larger_one() -> None:
    rows, columns = grid_of(8000, 800)
    assert rows * columns <= 3 * 64 * 64 * 1.05
    assert columns / rows == pytest.approx(10, rel=0.05)


def test_masks_and_motion_come_from_the_sets_networks(scene_folder: Path, bundle: Path) -> None:
    config = Config.from_options(models=str(bundle), seconds=0.2, move="everything")
    scene = prepare(scene_folder / "photo.png", config)
    assert (scene.mask.provenance, scene.motion.provenance) == ("given", "predicted")
    assert scene.analysis.state is not None
    assert scene.analysis.votes is None  # nobody asked
    asked = Config.from_options(models=str(bundle)).inversion
    photo = scene.photo
    voted = analyse(photo, open_models(bundle), asked, session=Session(), vote=True).votes
    assert voted is not None
    assert torch.allclose(voted.sum(0), torch.ones(()))
    mask = make_mask(
        photo, MaskConfig(), session=Session(), votes=torch.stack([0 * voted[0], voted[0] * 0 + 1, 0 * voted[0]])
    )
    assert mask.provenance == "predicted"
    assert bool((mask.alpha == 1).all())


def test_outlying_speeds_are_smoothed_over() -> None:
    flow = torch.ones(2, 32, 32)
    flow[:, 10, 10] = 100
    smooth = without_outliers(flow, torch.ones(32, 32, dtype=torch.bool))
    assert torch.allclose(smooth, torch.ones(2, 32, 32), atol=1e-4)


def test_refining_brings_the_picture_nearer(models: Models) -> None:
    generator = models.generator()
    wanted = generator.synthesize_from(torch.randn(1, 12, 16, 16), torch.randn(1, CONFIG.n_styles, 8), 10).detach()
    start = Latents(torch.zeros(1, CONFIG.n_styles, 8), torch.randn(1, 12, 16, 16), 10)

    def error(latents: Latents) -> float:
        return float((generator.synthesize_from(latents.feature, latents.w_plus, 10) - wanted).square().mean())

    better = refine(generator, start, wanted, steps=30, progress=silent)
    assert error(better) < 0.7 * error(start)
    assert refine(generator, start, wanted, steps=0, progress=silent) is start


@pytest.mark.parametrize("index", [9, 11, 12])
def test_other_features_can_carry_the_layout(scene_folder: Path, bundle: Path, index: int) -> None:
    config = options(scene_folder, bundle, inversion_index=index, refine=1)
    inverted = invert_photo(scene_folder / "photo.png", config)
    assert inverted.inversion.latents.index == index
    assert np.isfinite(inverted.psnr)


def test_latents_come_back_from_their_file(scene_folder: Path, bundle: Path) -> None:
    config = options(scene_folder, bundle)
    inversion = invert_photo(scene_folder / "photo.png", config).inversion
    path = scene_folder / "latents.safetensors"
    write_latents(path, inversion.latents, "small")
    again = invert_photo(scene_folder / "photo.png", options(scene_folder, bundle, latents=path)).inversion
    for a, b in zip(inversion.contributions, again.contributions, strict=True):
        assert torch.equal(a, b)
    with pytest.raises(InputError, match="another shape of photo"):
        read_latents(path, inversion.models.generator(), (64, 64))


def test_auto_takes_the_pyramid_where_nothing_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path))
    assert choose_models(InversionConfig(), Session()) is None
    shipped = choose_models(InversionConfig(backbone="stylecinegan"), Session())
    assert shipped is not None
    assert (shipped.name, shipped.encoder().index) == ("compact", 14)
    (tmp_path / "models").mkdir()
    write_models(tmp_path / "models" / "half.safetensors", "generator")
    assert choose_models(InversionConfig(), Session()) is None
    with pytest.raises(ModelMissingError, match="no generator with its encoder"):
        choose_models(InversionConfig(models="half"), Session())
    write_models(tmp_path / "models" / "whole.safetensors")
    chosen = choose_models(InversionConfig(), Session())
    assert chosen is not None
    assert chosen.name == "whole"


def test_style_by_codes_is_cached_and_goes_from_the_photo(
    scene_folder: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CINEGAN_HOME", str(scene_folder / "home"))
    config = options(scene_folder, bundle, target="#ff8800")
    plain = prepare(scene_folder / "photo.png", replace(config, style=StyleConfig())).photo.pixels
    whole = prepare_look(scene_folder / "photo.png", config).photo.pixels
    cached = list((scene_folder / "home" / "styles").iterdir())
    assert len(cached) == 1
    before = cached[0].stat().st_mtime_ns
    none = prepare_look(scene_folder / "photo.png", replace(config, style=replace(config.style, strength=0.0)))
    assert cached[0].stat().st_mtime_ns == before
    assert torch.allclose(none.photo.pixels, plain, atol=1e-6)
    assert float((whole - plain).abs().mean()) > 0.01


@pytest.mark.parametrize("models_given", [True, False])
def test_a_cycle_begins_with_the_photo_and_reaches_the_look(
    scene_folder: Path, bundle: Path, models_given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CINEGAN_HOME", str(scene_folder / "home"))
    config = options(scene_folder, bundle, target="#3060ff", cycle=True)
    if not models_given:
        config = replace(config, inversion=InversionConfig(backbone="pyramid"))
    scene: Scene = prepare(scene_folder / "photo.png", config)
    frames = list(render(scene, config))
    look = scene.looks[-1].picture
    static = (scene.mask.alpha == 0).numpy()
    middle = frames[len(frames) // 2][static].astype(float)
    wanted = (look * 255).permute(1, 2, 0).numpy()[static]
    assert (frames[0] == scene.photo.pixels_u8.numpy()).all()
    assert np.abs(middle - wanted).max() <= 0.51
    assert np.abs(frames[1].astype(int) - frames[-1].astype(int))[static].max() <= 1  # there and back alike


def test_the_course_of_a_cycle() -> None:
    course = [strength_at(t, 60, 0.8) for t in range(61)]
    assert course[0] == course[60] == pytest.approx(0, abs=1e-12)
    assert max(course) == course[30] == pytest.approx(0.8)
    steps = np.abs(np.diff(course))
    assert steps.min() > 0.5 * steps.mean()
    assert between((0.0, 0.5, 1.0), 0.75) == (1, 0.5)
    assert between((0.0, 1.0), 1.0) == (0, 1.0)


def test_deep_needs_a_generator_and_one_look(scene_folder: Path, bundle: Path) -> None:
    config = options(scene_folder, bundle, mode="deep", backbone="pyramid")
    with pytest.raises(UsageError, match="--mode deep"):
        list(render(prepare(scene_folder / "photo.png", config), config))


def test_the_shipped_generator_gives_harbour_back_and_takes_anothers_colours(tmp_path: Path) -> None:
    """Inversion of the example photo, and w+ of a picture turned orange."""
    harbour = Path(__file__).parents[2] / "examples" / "harbour.jpg"
    config = Config.from_options(backbone="stylecinegan", models="compact", max_side=512)
    inverted = invert_photo(harbour, config)
    assert inverted.psnr > 27
    orange = tmp_path / "orange.png"
    Image.fromarray((inverted.photo.pixels_u8.numpy() * [1.0, 0.6, 0.3]).astype(np.uint8)).save(orange)
    codes = target_codes(
        inverted.photo, None, Target("orange", reference=orange), inverted.inversion, session=Session()
    )
    made, _ = styled_inversion(inverted.photo.pixels, inverted.inversion, codes, 1.0)
    share = made.mean((1, 2)) / made.mean()
    before = inverted.photo.pixels.mean((1, 2)) / inverted.photo.pixels.mean()
    assert share[0] > 1.1 * before[0]
    assert share[2] < 0.8 * before[2]


def test_the_look_of_another_photo_comes_from_the_shipped_generator(scene_folder: Path) -> None:
    photo = scene_folder / "photo.png"
    session = Session()
    configs = {
        "photo": Config.from_options(target=str(photo)),
        "pyramid": Config.from_options(target=str(photo), backbone="pyramid"),
        "named": Config.from_options(target="noir"),
    }
    systems = {name: choose_system(config, session).name for name, config in configs.items()}
    assert systems == {"photo": "compact", "pyramid": "pyramid", "named": "pyramid"}
    change = (
        (prepare_look(photo, configs["photo"], session).photo.pixels - read_photo(photo, PhotoConfig()).pixels)
        .abs()
        .mean()
    )
    assert change < 0.01, "its own look leaves a photo alone"

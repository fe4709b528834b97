"""The mask stage: files, freeze, clean-up, refinement, messages, overlay."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from cinegan_cli.config import MaskConfig
from cinegan_cli.errors import InputError, ModelMissingError
from cinegan_cli.session import Session
from cinegan_cli.stages.mask import make as stage
from cinegan_cli.stages.mask.cleanup import clean, reassign_patches
from cinegan_cli.stages.mask.make import make_mask
from cinegan_cli.stages.mask.matting import refine
from cinegan_cli.stages.mask.picture import mask_to_u8, overlay
from cinegan_cli.stages.mask.sight import placed, see
from cinegan_cli.types import Photo, Sight


def photo_of(
    pixels: np.ndarray, source: tuple[int, int] | None = None, window: tuple[float, float, float, float] | None = None
) -> Photo:
    """A Photo from uint8 [H, W, 3]; by default the whole of its file."""
    height, width = pixels.shape[:2]
    u8 = torch.from_numpy(np.ascontiguousarray(pixels))
    values = u8.permute(2, 0, 1).contiguous().float() / 255
    return Photo(values, u8, source or (width, height), window or (0.0, 0.0, float(width), float(height)))


def plain(width: int, height: int) -> Photo:
    return photo_of(np.full((height, width, 3), 90, np.uint8))


def save(values: np.ndarray, path: Path) -> Path:
    Image.fromarray(values).save(path)
    return path


def scene(width: int, height: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bright sky over a dark jagged ridge, with a mast: pixels [H, W, 3] and the truth [H, W], 1 = sky."""
    rng = np.random.default_rng(seed)
    across = np.arange(width)
    ridge = height * 0.55 + height * 0.04 * np.sin(across / width * 17) + height * 0.02 * np.sin(across / width * 71)
    rows = np.arange(height)[:, None]
    sky = rows < ridge[None]
    mast = width // 3
    sky[int(height * 0.5) :, mast : mast + 3] = False
    pixels = np.where(sky[:, :, None], [150, 190, 240], [60, 50, 40]).astype(np.float32)
    pixels += (
        np.where(sky, 2, 14)[:, :, None] * rng.standard_normal((height, width, 1)) - 30 * (rows / height)[:, :, None]
    )
    return np.clip(pixels, 0, 255).astype(np.uint8), sky.astype(np.uint8)


def coarse(truth: np.ndarray, factor: int) -> np.ndarray:
    """What a network might see: the truth shrunk and blurred."""
    size = (truth.shape[1] // factor, truth.shape[0] // factor)
    return cv2.GaussianBlur(cv2.resize(truth.astype(np.float32), size, interpolation=cv2.INTER_AREA), (0, 0), 1.0)


# files


def test_grey_is_kept_and_size_is_brought_to_the_photos(tmp_path: Path) -> None:
    values = np.zeros((40, 60), np.uint8)
    values[:, 20:40], values[:, 40:] = 128, 255
    mask = make_mask(plain(120, 80), MaskConfig(mask=save(values, tmp_path / "m.png")), session=Session())
    assert mask.alpha.shape == (80, 120)
    assert mask.alpha.dtype == torch.float32
    assert mask.alpha[40, 10] == 0
    assert mask.alpha[40, 60] == pytest.approx(128 / 255, abs=1e-5)
    assert mask.alpha[40, 110] == 1
    assert (mask.provenance, mask.confidence, mask.sky) == ("given", 1.0, None)


def test_larger_mask_is_averaged(tmp_path: Path) -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (80, 60))  # 120 wide, alternating columns
    mask = make_mask(plain(60, 40), MaskConfig(mask=save(stripes, tmp_path / "m.png")), session=Session())
    assert torch.allclose(mask.alpha, torch.tensor(0.5), atol=0.01)


def test_sixteen_bits_and_transparency(tmp_path: Path) -> None:
    deep = save(np.full((20, 20), 40000, np.uint16), tmp_path / "deep.png")
    assert make_mask(plain(20, 20), MaskConfig(mask=deep), session=Session()).alpha.mean() == pytest.approx(
        0.610, abs=0.003
    )
    layers = np.full((20, 20, 4), 255, np.uint8)
    layers[:, 10:, 3] = 0
    alpha = make_mask(plain(20, 20), MaskConfig(mask=save(layers, tmp_path / "a.png")), session=Session()).alpha
    assert alpha[:, :10].min() == 1
    assert alpha[:, 10:].max() == 0


def test_mask_of_the_file_is_cut_like_the_photo(tmp_path: Path) -> None:
    values = np.zeros((50, 100), np.uint8)
    values[:, 50:] = 255
    cut = photo_of(np.zeros((100, 100, 3), np.uint8), (400, 200), (100.0, 0.0, 200.0, 200.0))  # middle, half size
    alpha = make_mask(cut, MaskConfig(mask=save(values, tmp_path / "m.png")), session=Session()).alpha
    assert alpha[:, :48].max() == 0
    assert alpha[:, 52:].min() == 1


def test_padding_is_static(tmp_path: Path) -> None:
    padded = photo_of(np.zeros((200, 100, 3), np.uint8), (100, 100), (0.0, -50.0, 100.0, 200.0))
    white = save(np.full((100, 100), 255, np.uint8), tmp_path / "m.png")
    alpha = make_mask(padded, MaskConfig(mask=white), session=Session()).alpha
    assert alpha[50:150].min() == 1
    assert alpha[:49].max() == 0
    assert alpha[151:].max() == 0


def test_exif_orientation_of_the_mask_counts(tmp_path: Path) -> None:
    values = np.zeros((40, 20), np.uint8)
    values[:20] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the file's top is the picture's right
    Image.fromarray(values).save(tmp_path / "m.png", exif=exif)
    alpha = make_mask(plain(40, 20), MaskConfig(mask=tmp_path / "m.png"), session=Session()).alpha
    assert alpha[:, 22:].min() == 1
    assert alpha[:, :18].max() == 0


def test_freeze_wins(tmp_path: Path) -> None:
    white = save(np.full((40, 60), 255, np.uint8), tmp_path / "m.png")
    frozen = np.zeros((40, 60), np.uint8)
    frozen[:, :30], frozen[:, 30:40] = 255, 51
    freeze = save(frozen, tmp_path / "f.png")
    alpha = make_mask(plain(60, 40), MaskConfig(mask=white, freeze=freeze), session=Session()).alpha
    assert alpha[:, :30].max() == 0
    assert torch.allclose(alpha[:, 30:40], torch.tensor(0.8), atol=1e-5)
    assert alpha[:, 40:].min() == 1
    with pytest.raises(InputError, match="nothing moves"):
        make_mask(plain(60, 40), MaskConfig(mask=white, freeze=white), session=Session())


def test_unusable_files(tmp_path: Path) -> None:
    photo = plain(60, 40)
    black = save(np.zeros((40, 60), np.uint8), tmp_path / "black.png")
    tall = save(np.full((60, 40), 255, np.uint8), tmp_path / "tall.png")
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    for path, message in ((black, "nothing moves"), (tall, "40x60 px, but the photo is 60x40"), (text, "text.png")):
        with pytest.raises(InputError, match=message) as caught:
            make_mask(photo, MaskConfig(mask=path), session=Session())
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"gone\.png"):
        make_mask(photo, MaskConfig(mask=tmp_path / "gone.png"), session=Session())


# clean-up and refinement


def test_clean_drops_specks_and_fills_holes() -> None:
    moving = np.zeros((128, 128), np.float32)
    moving[:80] = 0.9
    moving[20:23, 20:23] = 0.1  # a hole of 0.05 %
    moving[40:70, 40:70] = 0.1  # a hole of 5.5 %
    moving[100:104, 10:14] = 0.9  # a speck of 0.1 %
    outline = cv2.resize(clean(moving), (128, 128), interpolation=cv2.INTER_NEAREST)
    assert outline[21, 21] == 1
    assert outline[55, 55] == 0
    assert outline[101, 11] == 0
    assert outline[5, 5] == 1
    assert outline[0].min() == 1, "the picture's border must not erode"


def test_patches_of_the_wrong_kind_are_exchanged() -> None:
    sky, water = np.full((100, 100), 0.1, np.float32), np.full((100, 100), 0.1, np.float32)
    water[40:] = 0.8
    sky[60:70, 40:50], water[60:70, 40:50] = 0.7, 0.2  # 1 % of sky in the water
    sky[10:20, 40:50] = 0.7  # a small sky of its own, in static
    outline = (np.maximum(sky, water) > 0.5).astype(np.uint8)
    new_sky, new_water = reassign_patches(sky, water, outline)
    assert new_water[65, 45] == pytest.approx(0.7)
    assert new_sky[65, 45] == pytest.approx(0.2)
    assert new_sky[15, 45] == pytest.approx(0.7)
    assert sky[65, 45] == pytest.approx(0.7), "arguments are not changed"


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_clean_and_refine_of_one_class(value: float) -> None:
    moving = np.full((60, 80), value, np.float32)
    alpha = refine(np.zeros((90, 120, 3), np.uint8), clean(moving), moving)
    assert alpha.shape == (90, 120)
    assert (alpha == value).all()


def test_refinement_finds_the_silhouette() -> None:
    pixels, truth = scene(900, 600)
    moving = coarse(truth, 7)
    outline = clean(moving)
    alpha = refine(pixels, outline, moving)
    near = np.abs(cv2.GaussianBlur(truth.astype(np.float32), (0, 0), 8) - 0.5) < 0.499
    stretched = cv2.resize(moving, (900, 600), interpolation=cv2.INTER_LINEAR)
    before = ((stretched > 0.5) != (truth > 0))[near].mean()
    after = ((alpha > 0.5) != (truth > 0))[near].mean()
    assert after < 0.25 * before
    assert ((alpha > 0) & (alpha < 1)).mean() < 0.03, "alpha is exact away from edges"


def test_thin_mast_stays_static() -> None:
    pixels, truth = scene(900, 600)
    moving = coarse(truth, 7)
    alpha = refine(pixels, clean(moving), moving)
    mast = alpha[int(600 * 0.53) : int(600 * 0.55), 301]
    assert mast.max() < 0.3


# the network's mask


def seen_as(sky: np.ndarray, water: np.ndarray) -> Sight:
    kinds = np.zeros((10, *sky.shape), np.float32)
    kinds[0], kinds[1], kinds[4] = 1 - sky - water, sky, water
    vectors = torch.zeros(2, *sky.shape)
    return Sight(torch.from_numpy(kinds), vectors, vectors, torch.full(sky.shape, 0.02))


def stub(monkeypatch: pytest.MonkeyPatch, sky: np.ndarray, water: np.ndarray) -> None:
    monkeypatch.setattr(stage, "see", lambda picture, *, session, weights: seen_as(sky, water))


@pytest.fixture
def halves() -> tuple[np.ndarray, np.ndarray]:
    sky, water = np.zeros((60, 90), np.float32), np.zeros((60, 90), np.float32)
    sky[:20], water[40:] = 0.98, 0.96
    return sky, water


@pytest.mark.parametrize(("move", "top", "bottom"), [("sky", 1, 0), ("water", 0, 1), ("sky+water", 1, 1)])
def test_move_selects(
    monkeypatch: pytest.MonkeyPatch, halves: tuple[np.ndarray, np.ndarray], move: str, top: int, bottom: int
) -> None:
    stub(monkeypatch, *halves)
    config = MaskConfig(move=move)  # type: ignore[arg-type]
    mask = make_mask(plain(181, 121), config, session=Session())
    assert mask.alpha.shape == (121, 181)
    assert mask.alpha[5].mean() == top
    assert mask.alpha[60].mean() == 0
    assert mask.alpha[115].mean() == bottom
    assert mask.sky is not None
    assert mask.water is not None
    assert mask.sky.shape == mask.water.shape == (121, 181)
    assert mask.sky[5].mean() > 0.9
    assert mask.provenance == "predicted"
    assert mask.confidence > 0.9
    assert mask.notices == ()


def test_nothing_found_names_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = np.full((60, 90), 0.01, np.float32)
    stub(monkeypatch, nothing, nothing)
    with pytest.raises(InputError, match=r"no sky or water found.*--mask FILE"):
        make_mask(plain(180, 120), MaskConfig(), session=Session())
    with pytest.raises(InputError, match=r"no water found.*--move sky\+water"):
        make_mask(plain(180, 120), MaskConfig(move="water"), session=Session())


def test_doubt_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sky = np.full((60, 90), 0.35, np.float32)
    sky[:30] = 0.6
    stub(monkeypatch, sky, np.zeros_like(sky))
    mask = make_mask(plain(180, 120), MaskConfig(), session=Session())
    assert mask.confidence < 0.6
    assert len(mask.notices) == 1
    assert "--mask FILE" in mask.notices[0]


def test_padding_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def look(picture: torch.Tensor, *, session: Session, weights: Path) -> Sight:
        sizes.append(tuple(picture.shape))
        return seen_as(np.full((32, 32), 0.99), np.zeros((32, 32)))

    monkeypatch.setattr(stage, "see", look)
    padded = photo_of(np.zeros((200, 100, 3), np.uint8), (100, 100), (0.0, -50.0, 100.0, 200.0))
    alpha = make_mask(padded, MaskConfig(), session=Session()).alpha
    assert sizes == [(100, 100, 3)]
    assert alpha[50:150].min() == 1
    assert alpha[:50].max() == 0


def test_what_was_seen_of_a_part_lies_in_the_whole() -> None:
    sight = seen_as(np.full((8, 12), 0.7), np.full((8, 12), 0.2))
    whole = placed(sight, (120, 160), (0, 40, 120, 120))
    assert whole.kinds.shape == (10, 16, 12)
    assert torch.equal(whole.kinds[:, 4:12], sight.kinds)
    assert (whole.kinds[0, :4] == 1).all()
    assert (whole.kinds[0, 12:] == 1).all()
    assert torch.allclose(whole.kinds.sum(0), torch.ones(16, 12))


def test_missing_weights(tmp_path: Path) -> None:
    gone = tmp_path / "gone.safetensors"
    with pytest.raises(ModelMissingError, match=r"gone\.safetensors"):
        see(torch.zeros(32, 32, 3, dtype=torch.uint8), session=Session(), weights=gone)


def test_the_shipped_seer_sees_a_plain_sky() -> None:
    pixels, truth = scene(362, 243)
    mask = make_mask(photo_of(pixels), MaskConfig(), session=Session())
    again = make_mask(photo_of(pixels), MaskConfig(), session=Session())
    assert torch.equal(mask.alpha, again.alpha)
    assert mask.sky is not None
    assert mask.sky[:80].mean() > 0.5
    agree = ((mask.alpha.numpy() > 0.5) == (truth > 0)).mean()
    assert agree > 0.9


# pictures of masks


def test_mask_picture_reads_back(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
    photo = plain(60, 40)
    mask = make_mask(photo, MaskConfig(mask=save(ramp, tmp_path / "m.png")), session=Session())
    again = save(mask_to_u8(mask).numpy(), tmp_path / "again.png")
    assert torch.equal(make_mask(photo, MaskConfig(mask=again), session=Session()).alpha, mask.alpha)


def test_overlay_tints(monkeypatch: pytest.MonkeyPatch, halves: tuple[np.ndarray, np.ndarray]) -> None:
    stub(monkeypatch, *halves)
    photo = plain(180, 120)
    picture = overlay(photo, make_mask(photo, MaskConfig(), session=Session())).int()
    assert picture.shape == (120, 180, 3)
    sky, static, water = picture[5, 90], picture[60, 90], picture[115, 90]
    assert int(sky.argmax()) == 2
    assert int(water.argmax()) == 1
    assert static.tolist() == [63, 63, 63]

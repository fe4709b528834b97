"""Everything that can be wrong with what users give to DeepLandscape: `test_bad_inputs` says what must come of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from cinegan_cli.errors import ExitStatus
from cinegan_cli.models.bundle import read_bundle, write_bundle
from tests import released_files as released
from tests.bad_files import blank, both, folder_named, text
from tests.cli.test_bad_inputs import Case, folder, refused
from tests.deeplandscape_files import generator, lighting, model_dict, save
from tests.small_landscape_set import write_landscape_set, write_latents_of
from tests.small_models import write_models
from tests.small_scene import QUICK, invoke

__all__ = ["folder"]

USAGE, INPUT, MISSING = ExitStatus.USAGE, ExitStatus.INPUT, ExitStatus.MODEL_MISSING

SET = "--models dl.safetensors"
PLAIN = f"animate photo.png --mask mask.png {QUICK} --out loop.mp4 --backbone deeplandscape"
DL = f"{PLAIN} {SET} --variant MO --steps 1"
LATENTS = f"{PLAIN} {SET} --latents bad.safetensors"
WIND = f"{DL} --wind bad.txt"
IMPORT = "models import bad.model --name mine"
TRAIN = "train deeplandscape --steps 1 --batch 2 --multiplier 0.02 --style-dim 8 --work new/w --out o.safetensors"
NAN = "generator.progression.1.conv2.conv.bias"
SAMPLE = f"sample {SET} --out s.mp4 --seconds 0.2"
EVALUATE = "evaluate photo.png --table"


def a_set(*parts: str) -> Callable[[Path], Path]:
    """dl.safetensors of those parts, of all by default."""
    return lambda place: write_landscape_set(place / "dl.safetensors", *parts)


def nan_set(place: Path) -> None:
    """dl.safetensors with a generator one of whose numbers is none."""
    bundle = read_bundle(a_set("generator")(place), "deeplandscape")
    bundle.tensors[f"deeplandscape_generator.{NAN}"][0] = np.nan
    write_bundle(place / "dl.safetensors", bundle)


def homography(*rows: str) -> Callable[[Path], object]:
    """A set, and bad.txt of those lines."""
    return both(a_set("generator"), text("bad.txt", "\n".join(rows) + "\n"))


CASES = [
    # ---- wind and light
    Case("wind of 13h", f"{DL} --wind 13h", INPUT, "13h & 1h to 12h", a_set("generator")),
    Case("homography missing", WIND, INPUT, "bad.txt", a_set("generator")),
    Case("homography of 3 lines", WIND, INPUT, "bad.txt & 3 lines", homography("0 0", "0 0", "0 0")),
    Case("homography of 3 numbers", WIND, INPUT, "bad.txt & 3", homography("0 0 1", "0 0 1", "0 0 1", "0 0 1")),
    Case("homography with words", WIND, INPUT, "bad.txt & fast", homography("0 0", "fast 0", "0 0", "0 0")),
    Case("homography with NaN", WIND, INPUT, "bad.txt & nan", homography("0 0", "nan 0", "0 0", "0 0")),
    Case("homography that folds", WIND, INPUT, "bad.txt & fold", homography("3 0", "-3 0", "0 0", "0 0")),
    Case("homography is a folder", WIND, INPUT, "bad.txt", both(a_set("generator"), folder_named("bad.txt"))),
    Case("homography is no text", WIND, INPUT, "bad.txt", both(a_set("generator"), text("bad.txt", b"\xff\xfe\x00"))),
    Case("speeds without a wind", f"{DL} --wind-set x4", USAGE, "--wind-set & --wind", a_set("generator")),
    Case("speeds and a file", f"{WIND} --wind-set x4", USAGE, "x4", homography("0 0", "0 0", "0 0", "0 0")),
    Case("a wind that the set lacks", f"{DL} --wind 2h --wind-set selected", USAGE, "2h & 3h", a_set("generator")),
    Case("wind and arrow", f"{DL} --wind 3h --arrow 10,10,50,12", USAGE, "--wind & --arrow", a_set("generator")),
    Case("wind for bands", f"{PLAIN.replace('deeplandscape', 'pyramid')} --wind 3h", USAGE, "--wind & deeplandscape"),
    Case("light of no name", f"{DL} --light moody", USAGE, "--light & sunset", a_set()),
    Case("light and light cycle", f"{DL} --light night --light-cycle", USAGE, "--light", a_set()),
    Case("light without its network", f"{DL} --light night", MISSING, "--light night & dl", a_set("generator")),
    # ---- sets and latents
    Case("set missing", f"{PLAIN} --models moods", MISSING, "moods"),
    Case("set of the other system", f"{PLAIN} {SET}", MISSING, "dl", lambda f: write_models(f / "dl.safetensors")),
    Case("set without generator", f"{PLAIN} {SET}", MISSING, "dl & generator", a_set("lighting")),
    Case("set for the other system", f"{DL} --backbone stylecinegan", MISSING, "dl", a_set()),
    Case("E without an encoder", f"{PLAIN} {SET} --variant E", MISSING, "dl & MO", a_set("generator")),
    Case("variant of no name", f"{PLAIN} {SET} --variant EOS", USAGE, "--variant & EOIFS", a_set()),
    Case("0 steps", f"{DL} --steps 0", USAGE, "--steps", a_set()),
    Case("VGG of text", f"{DL} --perceptual bad.pth", INPUT, "bad.pth", both(a_set("generator"), text("bad.pth"))),
    Case("set cut in half", DL, INPUT, "dl.safetensors", lambda f: released.cut_file(a_set("generator")(f))),
    Case("latents missing", LATENTS, INPUT, "bad.safetensors & cinegan invert", a_set("generator")),
    Case("latents are a set", f"{PLAIN} {SET} --latents dl.safetensors", INPUT, "dl.safetensors", a_set("generator")),
    Case(
        "latents of another generator",
        LATENTS,
        INPUT,
        "bad.safetensors & another generator",
        both(a_set("generator"), lambda f: write_latents_of(f / "bad.safetensors", (4, 5), seed=1)),
    ),
    Case(
        "latents of another shape",
        LATENTS,
        INPUT,
        "bad.safetensors & another shape",
        both(a_set("generator"), lambda f: write_latents_of(f / "bad.safetensors", (4, 9))),
    ),
    Case("latents and a variant", f"{LATENTS} --variant MO", USAGE, "--variant & --latents", a_set("generator")),
    Case(
        "photo of 12 px",
        DL.replace("photo.png", "bad.png"),
        INPUT,
        "bad.png & 12x12",
        both(a_set("generator"), blank("bad.png", 12, 12)),
    ),
    Case("nothing moves", DL.replace("mask.png", "bad.png"), INPUT, "bad.png", both(a_set(), blank("bad.png", 64, 48))),
    Case(
        "invert: no place",
        f"invert photo.png --system deeplandscape {SET} --out no/l.safetensors",
        ExitStatus.ENCODER,
        "no",
    ),
    # ---- released files
    Case(".model cut in half", IMPORT, INPUT, "bad.model", lambda f: released.cut_file(a_model(f))),
    Case(".model with NaN", IMPORT, INPUT, "bad.model & conv1.input", lambda f: a_model(f, released.with_nan)),
    Case(".model without its average", IMPORT, INPUT, "bad.model & g_running", lambda f: a_model(f, g_running=3)),
    Case(
        ".model with a tensor missing",
        IMPORT,
        INPUT,
        "bad.model & generator.progression.1.conv2.conv.bias",
        lambda f: a_model(f, lambda state: state.pop("generator.progression.1.conv2.conv.bias")),
    ),
    Case("lighting network of another shape", IMPORT, INPUT, "bad.model & impl.0", lambda f: wrong_lighting(f)),
    Case(
        "module with code",
        IMPORT.replace("bad.model", "bad.pth"),
        INPUT,
        "bad.pth",
        lambda f: released.evil_file(f / "bad.pth", legacy=True),
    ),
    # ---- training
    Case("train: no data", TRAIN, USAGE, "--data"),
    Case("train: data missing", f"{TRAIN} --data nowhere", INPUT, "nowhere"),
    Case("train: empty data", f"{TRAIN} --data bad", INPUT, "bad", folder_named("bad")),
    Case("train: size 100", f"{TRAIN} --data . --size 100", USAGE, "--size & 100"),
    Case("train: LMDB cut", f"{TRAIN} --data cut", INPUT, "cut & data.mdb", lambda f: cut_lmdb(f)),
    Case("train: LMDB damaged", f"{TRAIN} --data torn", INPUT, "torn & damaged", lambda f: torn_lmdb(f)),
    Case("train: LMDB of pictures as clips", f"{TRAIN} --clips whole", USAGE, "whole", lambda f: lmdb_set(f)),
    Case("train: an LMDB of text", f"{TRAIN} --data bad", INPUT, "bad", lambda f: text_lmdb(f)),
    Case(
        "train lighting: no generator",
        "train lighting --models moods --work new/w --out o.safetensors",
        MISSING,
        "moods",
    ),
    Case(
        "train superres: no data",
        f"train superres {SET} --data nowhere --work new/w --out o.safetensors",
        INPUT,
        "nowhere",
        a_set("generator"),
    ),
    Case(
        "train lighting: a set of the other system",
        f"train lighting {SET} --work new/w --out o.safetensors",
        MISSING,
        "dl",
        lambda f: write_models(f / "dl.safetensors"),
    ),
    # ---- samples
    Case("sample: none", f"{SAMPLE} --count 0", USAGE, "--count", a_set("generator")),
    Case("sample: no set", "sample --out s.mp4 --models moods", MISSING, "moods"),
    Case("sample: the set holds no generator", SAMPLE, MISSING, "dl", a_set("lighting")),
    Case("sample: a video by the other system", SAMPLE, MISSING, "dl", lambda f: write_models(f / "dl.safetensors")),
    Case("sample: truncation 3", f"{SAMPLE} --truncation 3", USAGE, "--truncation", a_set("generator")),
    Case("sample: size of words", f"{SAMPLE} --size large", USAGE, "--size", a_set("generator")),
    Case("sample: size 3", f"{SAMPLE} --size 3", USAGE, "--size", a_set("generator")),
    Case(
        "sample: homography of text",
        f"{SAMPLE} --homography b.txt",
        INPUT,
        "b.txt",
        both(a_set("generator"), text("b.txt")),
    ),
    Case("sample: 13h", f"{SAMPLE} --homography 13h", INPUT, "13h & 1h to 12h", a_set("generator")),
    Case("sample: a picture with a wind", "sample --out s.png --homography 3h", USAGE, "--homography"),
    Case("sample: bad ending", f"sample {SET} --out s.pt", USAGE, "s.pt", a_set("generator")),
    Case(
        "sample: exists",
        f"sample {SET} --out photo.png",
        ExitStatus.ENCODER,
        "photo.png & --overwrite",
        a_set("generator"),
    ),
    Case(
        "sample: NaN weights",
        f"sample {SET} --out s.png",
        INPUT,
        f"dl.safetensors & {NAN}",
        lambda f: nan_set(f),
    ),
    # ---- figures
    Case("evaluate: no such table", f"{EVALUATE} dl-moods", USAGE, "--table"),
    Case("evaluate: two tables", f"{EVALUATE} dl-inversion --look", USAGE, "--look & dl-inversion"),
    Case("evaluate: another table's option", f"{EVALUATE} dl-inversion {SET} --winds 3", USAGE, "--winds", a_set()),
    Case(
        "evaluate: scaled, of bands", "evaluate photo.png --repo-compatible", USAGE, "--repo-compatible & dl-inversion"
    ),
    Case("evaluate: 1 sample", f"{EVALUATE} dl-generation {SET} --samples 1", USAGE, "--samples", a_set()),
    Case("evaluate: no inversion", f"{EVALUATE} dl-generation {SET} --variant MO", USAGE, "--variant", a_set()),
    Case("evaluate: of the other system", f"{EVALUATE} dl-inversion {SET} --refine 3", USAGE, "--refine", a_set()),
    Case("evaluate: I3D of text", "evaluate c --table dl-animation --fvd b.pt", INPUT, "b.pt", text("b.pt")),
    Case("evaluate: I3D missing", "evaluate c --table dl-animation --fvd b.pt", INPUT, "b.pt & I3D"),
    Case("evaluate: a clip of text", "evaluate a.mp4 --table dl-animation", INPUT, "a.mp4", text("a.mp4")),
    Case("evaluate: a clip of one frame", "evaluate one --table dl-animation", INPUT, "one", lambda f: one_frame(f)),
    Case(
        "evaluate: no encoder for E",
        f"{EVALUATE} dl-inversion {SET} --variant E",
        MISSING,
        "dl & MO",
        a_set("generator"),
    ),
]


def a_model(place: Path, change: Callable[[dict[str, Tensor]], object] = dict, **changes: Any) -> Path:
    """bad.model, as the release's trainer writes it, its averaged generator after `change`."""
    average = dict(generator().state_dict())
    change(average)
    return save(place / "bad.model", model_dict(**{"g_running": average, **changes}))


def wrong_lighting(place: Path) -> None:
    state = dict(lighting().state_dict())
    state["impl.0.impl.0.weight"] = state["impl.0.impl.0.weight"][:-1]
    save(place / "bad.model", state)


def one_frame(place: Path) -> None:
    (place / "one").mkdir()
    (place / "photo.png").rename(place / "one" / "000.png")


def lmdb_set(place: Path, name: str = "whole") -> Path:
    """Four photos as the release's script packs them, at 64 px."""
    lmdb = pytest.importorskip("lmdb")
    inner = place / name / "64"
    inner.mkdir(parents=True)
    environment = lmdb.open(str(inner), map_size=1 << 22)
    data = (place / "photo.png").read_bytes()
    with environment.begin(write=True) as writing:
        writing.put(b"length", b"0000004")
        for n in range(4):
            writing.put(f"{n:07d}".encode(), data)
    environment.close()
    return inner


def cut_lmdb(place: Path) -> None:
    file = lmdb_set(place, "cut") / "data.mdb"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def torn_lmdb(place: Path) -> None:
    """The root page of its table is said to be one of another kind."""
    file = lmdb_set(place, "torn") / "data.mdb"
    data, page = bytearray(file.read_bytes()), 4096
    for start in range(2 * page, len(data), page):
        if data[start + 10] & 0x03:  # a branch or a leaf
            data[start + 10] = 0x04  # an overflow page
    file.write_bytes(data)


def text_lmdb(place: Path) -> None:
    pytest.importorskip("lmdb")
    (place / "bad" / "64").mkdir(parents=True)
    (place / "bad" / "64" / "data.mdb").write_text("hello\n")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_is_refused_with_one_line(
    case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    refused(case, folder, monkeypatch, capfd)


@pytest.mark.parametrize("moving", ["everything", "nothing of the sky"])
def test_a_wind_blows_over_any_share_of_sky(moving: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    a_set("generator")(folder)
    rows = slice(None) if moving == "everything" else slice(40, None)
    mask = np.zeros((48, 64, 3), np.uint8)
    mask[rows] = 255
    Image.fromarray(mask).save(folder / "all.png")
    outcome = invoke(f"{DL.replace('mask.png', 'all.png')} --wind 12h", capfd)
    assert (outcome.status, outcome.complaints) == (ExitStatus.OK, [])


def test_the_small_set_is_what_the_cases_take_it_for(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """So that what is refused above is refused for its fault."""
    a_model(folder).rename(folder / "good.model")
    assert invoke("models import good.model --name mine", capfd).status == ExitStatus.OK
    write_latents_of(folder / "good.safetensors", (4, 5))
    a_set("generator")(folder)
    assert invoke(f"{PLAIN} {SET} --latents good.safetensors --wind 3h", capfd).status == ExitStatus.OK

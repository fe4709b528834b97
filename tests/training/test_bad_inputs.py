"""What can be wrong with data sets, runs and results of training and with evaluation: one clear line, nothing lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cinegan_cli.cli.main import run
from cinegan_cli.errors import ExitStatus
from cinegan_cli.models.bundle import Bundle, read_bundle, write_bundle
from tests import bad_files as bad
from tests.bad_files import array, blank, cut, field, folder_named, text
from tests.cli.test_bad_inputs import LONG, Case
from tests.small_models import write_models
from tests.small_scene import invoke, texture, tree, write_scene

OK, USAGE, INPUT, ENCODER = ExitStatus.OK, ExitStatus.USAGE, ExitStatus.INPUT, ExitStatus.ENCODER
MISSING = ExitStatus.MODEL_MISSING

BRIEF = "--steps 2 --batch 2 --sample-every 0 --device cpu --quiet"
MASK = f"train mask --annotations none --held-out 0 --side 64 {BRIEF}"
MOTION = f"train motion --form compact --side 64 --width 0.05 {BRIEF}"
GENERATOR = f"train generator --size 8 --style-dim 4 --mapping-layers 1 --channels 4 --multiplier 0.01 {BRIEF}"
COMPACT = f"train compact --crop 32 --style-dim 8 --channels 16 --multiplier 0.125 {BRIEF}"
NEW = "--work new --out new.safetensors"
PHOTOS, FIELDS = "--data photo_set", "--data motion_set"
ONE = "motion_set/synthetic_0_00000"
RESUME = f"{MOTION} {FIELDS} --work run --out motion.safetensors --resume"
CLIP = "evaluate clip --fps 10 --max-side 64 --seconds 0.3 --compare 0.2"
IOU = "evaluate --mask-iou photo_set --split train"
Make = Callable[[Path], object]


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo set, a motion set, a clip, and what small runs on them wrote."""
    place = tmp_path_factory.mktemp("stock")
    write_scene(place)
    for k in range(4):
        for name in ("photo_set/photos", "photo_set/annotated", "clip"):
            (place / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.roll(texture(), 9 * k, 1)).save(place / f"photo_set/photos/{k}.png")
        Image.fromarray(np.repeat([0, 1], 24)[:, None].repeat(64, 1).astype(np.uint8)).save(
            place / f"photo_set/annotated/{k}_mask.png"
        )
        shown = texture()
        shown[:30] = np.roll(shown[:30], 2 * k, 1)
        Image.fromarray(shown).save(place / f"clip/{k}.png")
    rows = "".join(f"photos/{k}.png,train,CC0-1.0,yes\n" for k in range(4))
    (place / "photo_set/manifest.csv").write_text(f"file,split,licence,train_shipped_weights\n{rows}")
    before = Path.cwd()
    os.chdir(place)
    try:
        for command in (
            "data synthetic --out motion_set --count 2 --size 64 --quiet",
            f"{MASK} {PHOTOS} --work mask_run --out mask_net.safetensors",
            f"{MOTION} {FIELDS} --work run --out motion.safetensors",
            f"{MOTION} {FIELDS} --form pix2pixhd --work other --out paper.safetensors",
            f"{GENERATOR} {PHOTOS} --work generator_run --out generator.safetensors",
        ):
            assert run(command.split()) == OK, command
    finally:
        os.chdir(before)
    shutil.rmtree(place / "other")
    return place


@pytest.fixture
def folder(stock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a copy of the stock."""
    place = tmp_path / "case"
    shutil.copytree(stock, place)
    monkeypatch.chdir(place)
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path / "home"))
    return place


def manifest(text_: str) -> Make:
    return text("photo_set/manifest.csv", text_)


def without_kinds(*makes: Make) -> Make:
    return bad.both(lambda folder: (folder / ONE / "kinds.png").unlink(), *makes)


def unlabelled(folder: Path) -> None:
    for k in range(4):
        blank(f"photo_set/annotated/{k}_mask.png", 64, 48, "L", 255)(folder)


def checkpoint(content: object) -> Make:
    return lambda folder: torch.save(content, folder / "run/checkpoint.pt")


def loop_frames(*sizes: tuple[int, int]) -> Make:
    def make(folder: Path) -> None:
        (folder / "loop").mkdir()
        for n, size in enumerate(sizes):
            blank(f"loop/{n}.png", *size)(folder)

    return make


def nan_network(folder: Path) -> None:
    bundle = read_bundle(folder / "mask_net.safetensors", "seer")
    broken = {k: v * float("nan") if v.is_floating_point() else v for k, v in bundle.tensors.items()}
    write_bundle(folder / "bad.safetensors", Bundle("seer", bundle.config, broken))


CASES = [
    # ---- photo sets
    *(
        Case(f"{command.split()[1]}: {name}", f"{command} {PHOTOS} {NEW}", INPUT, words, make)
        for command in (MASK, GENERATOR, COMPACT)
        for name, words, make in (
            ("photo cut in half", "0.png", cut("photo_set/photos/0.png")),
            ("photo of text", "0.png", text("photo_set/photos/0.png")),
            ("photo too small", "0.png 8x6", blank("photo_set/photos/0.png", 8, 6)),
            ("photo missing", "0.png", lambda f: (f / "photo_set/photos/0.png").unlink()),
            ("manifest without split", "manifest.csv split", manifest("file,licence\nphotos/0.png,CC0\n")),
            ("manifest of zero bytes", "manifest.csv", manifest("")),
        )
    ),
    Case(
        "mask: manifest of bytes",
        f"{MASK} {PHOTOS} {NEW}",
        INPUT,
        "manifest.csv UTF-8",
        text("photo_set/manifest.csv", b"\xff\0"),
    ),
    Case("mask: strip", f"{MASK} {PHOTOS} {NEW}", INPUT, "2000x20", blank("photo_set/photos/1.png", 2000, 20)),
    Case("mask: labels of text", f"{MASK} {PHOTOS} {NEW}", INPUT, "0_mask.png", text("photo_set/annotated/0_mask.png")),
    Case("mask: labels cut", f"{MASK} {PHOTOS} {NEW}", INPUT, "0_mask.png", cut("photo_set/annotated/0_mask.png")),
    Case(
        "mask: labels of another shape",
        f"{MASK} {PHOTOS} {NEW}",
        INPUT,
        "0_mask.png 50x50 0.png",
        blank("photo_set/annotated/0_mask.png", 50, 50, "L"),
    ),
    Case("mask: nothing labelled", f"{MASK} {PHOTOS} {NEW}", INPUT, "photo_set --data", unlabelled),
    Case("mask: photos without masks", f"{MASK} --data clip {NEW}", INPUT, "clip NAME_mask.png"),
    Case("generator: no photos", f"{GENERATOR} --data bare {NEW}", INPUT, "bare --data", folder_named("bare")),
    Case("generator: data is a file", f"{GENERATOR} --data photo.png {NEW}", INPUT, "photo.png --data"),
    Case("generator: size 48", f"{GENERATOR} {PHOTOS} {NEW} --size 48", USAGE, "--size 48"),
    Case("generator: data of 300 letters", f"{GENERATOR} --data {LONG} {NEW}", INPUT, LONG),
    Case("compact: crop 33", f"{COMPACT} {PHOTOS} {NEW} --crop 33", USAGE, "--crop 16 33"),
    Case(
        "pixels: no encoder",
        f"{MASK} {PHOTOS} {NEW} --form pixels --models generator.safetensors",
        MISSING,
        "generator encoder",
    ),
    Case(
        "encoder: no set", f"train encoder --models nowhere --lpips none {PHOTOS} {NEW} -q", MISSING, "--models nowhere"
    ),
    # ---- motion sets
    Case("motion: no data", f"{MOTION} {NEW}", INPUT, "--data"),
    Case("motion: data missing", f"{MOTION} --data nowhere {NEW}", INPUT, "nowhere"),
    Case("motion: a photo set", f"{MOTION} {PHOTOS} {NEW}", INPUT, "NAME/photo.png"),
    Case(
        "motion: photo cut", f"{MOTION} {FIELDS} {NEW}", INPUT, "photo.png", cut(f"{ONE}/photo.png", f"{ONE}/photo.png")
    ),
    Case("motion: NaN", f"{MOTION} {FIELDS} {NEW}", INPUT, "motion.npy NaN", array(f"{ONE}/motion.npy", field(np.nan))),
    Case(
        "motion: wrong shape",
        f"{MOTION} {FIELDS} {NEW}",
        INPUT,
        "motion.npy [8, 8]",
        array(f"{ONE}/motion.npy", field(1, 8, 8)),
    ),
    Case(
        "motion: no field", f"{MOTION} {FIELDS} {NEW}", INPUT, "motion.npy", lambda f: (f / ONE / "motion.npy").unlink()
    ),
    Case("motion: kinds of text", f"{MOTION} {FIELDS} {NEW}", INPUT, "kinds.png", text(f"{ONE}/kinds.png")),
    Case(
        "motion: kinds shape",
        f"{MOTION} {FIELDS} {NEW}",
        INPUT,
        "kinds.png 20x99",
        blank(f"{ONE}/kinds.png", 20, 99, "L"),
    ),
    Case(
        "motion: mask of another shape",
        f"{MOTION} {FIELDS} {NEW}",
        INPUT,
        "mask.png 20x99",
        without_kinds(blank(f"{ONE}/mask.png", 20, 99, "L")),
    ),
    Case("motion: mask of text", f"{MOTION} {FIELDS} {NEW}", INPUT, "mask.png", without_kinds(text(f"{ONE}/mask.png"))),
    Case(
        "motion: manifest lacks a column",
        f"{MOTION} {FIELDS} {NEW}",
        INPUT,
        "manifest.csv train_shipped_weights",
        text("motion_set/manifest.csv", "file,split\n"),
    ),
    # ---- settings
    Case("steps 0", f"{MOTION} {FIELDS} {NEW} --steps 0", USAGE, "--steps 0"),
    Case("batch 5000", f"{MOTION} {FIELDS} {NEW} --batch 5000", USAGE, "--batch 4096 5000"),
    Case("train: threads 0", f"{MOTION} {FIELDS} {NEW} --threads 0", USAGE, "--threads 0"),
    Case("precision bf16", f"{MOTION} {FIELDS} {NEW} --precision bf16", USAGE, "--precision 'bf16' 'bfloat16'"),
    Case("rate inf", f"{MASK} {PHOTOS} {NEW} --learning-rate inf", USAGE, "--learning-rate inf"),
    # ---- results
    Case("out over a photo", f"{MASK} {PHOTOS} --work new --out photo.png", USAGE, "--out photo.png .safetensors"),
    Case(
        "out over models",
        f"{GENERATOR} {PHOTOS} --work new --out mask_net.safetensors",
        ENCODER,
        "mask_net.safetensors --out",
    ),
    Case("out over something", f"{MOTION} {FIELDS} {NEW}", ENCODER, "new.safetensors --out", text("new.safetensors")),
    Case(
        "out over its own generator",
        f"train encoder --models generator.safetensors --lpips none {PHOTOS} --work new --out generator.safetensors -q",
        USAGE,
        "generator.safetensors",
    ),
    Case("out below a file", f"{MOTION} {FIELDS} --work new --out photo.png/a.safetensors", ENCODER, "photo.png --out"),
    Case("out of 300 letters", f"{MOTION} {FIELDS} --work new --out {LONG}.safetensors", ENCODER, LONG),
    Case("work is a file", f"{MOTION} {FIELDS} --work photo.png --out new.safetensors", ENCODER, "photo.png --work"),
    Case("work of 300 letters", f"{MOTION} {FIELDS} --work {LONG} --out new.safetensors", INPUT, LONG),
    Case(
        "work among photos",
        f"{GENERATOR} --data clip --work clip/run --out new.safetensors",
        USAGE,
        "clip/run --data --work",
    ),
    Case(
        "work with a config of somebody",
        f"{MOTION} {FIELDS} {NEW}",
        ENCODER,
        "new/config.json --work",
        bad.both(folder_named("new"), text("new/config.json", '{"mine": 1}')),
    ),
    # ---- runs that go on
    Case("work holds a run", RESUME.replace("--resume", ""), USAGE, "run --resume --work"),
    Case("work of another task", f"{GENERATOR} {PHOTOS} --work run --out new.safetensors", USAGE, "run --work"),
    Case("resumed: other option", f"{RESUME} --width 0.3", USAGE, "run/checkpoint.pt --width 0.05 0.3"),
    Case("resumed: other batch", f"{RESUME} --batch 4", USAGE, "run/checkpoint.pt 2 4 --batch"),
    Case("resumed: other seed", f"{RESUME} --seed 4", USAGE, "run/checkpoint.pt --seed"),
    Case("checkpoint of text", RESUME, INPUT, "run/checkpoint.pt --work", text("run/checkpoint.pt")),
    Case("checkpoint cut", RESUME, INPUT, "run/checkpoint.pt --work", cut("run/checkpoint.pt", "run/checkpoint.pt")),
    Case("checkpoint of code", RESUME, INPUT, "run/checkpoint.pt --work", bad.evil_pickle("run/checkpoint.pt")),
    Case("checkpoint of a list", RESUME, INPUT, "run/checkpoint.pt --work", checkpoint([1])),
    Case(
        "checkpoint of other networks",
        RESUME,
        INPUT,
        "run/checkpoint.pt --work",
        checkpoint({"step": 1, "modules": {}, "averages": {}, "optimisers": []}),
    ),
    Case(
        "checkpoint of another task",
        RESUME,
        USAGE,
        "run/checkpoint.pt generator motion",
        lambda f: shutil.copy(f / "generator_run/checkpoint.pt", f / "run/checkpoint.pt"),
    ),
    # ---- data sets that are made
    Case(
        "synthetic: a photo set",
        "data synthetic --out photo_set --count 1 --size 64",
        INPUT,
        "photo_set/manifest.csv source --out",
    ),
    Case("synthetic: not empty", "data synthetic --out clip --count 1 --size 64", ENCODER, "clip --out"),
    Case("synthetic: a file", "data synthetic --out photo.png --count 1 --size 64", ENCODER, "photo.png --out"),
    Case("synthetic: 300 letters", f"data synthetic --out {LONG} --count 1 --size 64", ENCODER, LONG),
    Case("from-photos: missing", "data from-photos nowhere --out new", INPUT, "nowhere"),
    Case("from-photos: into itself", "data from-photos clip --out clip", ENCODER, "clip --out"),
    Case("from-photos: a motion set", "data from-photos clip --out motion_set", INPUT, "motion_set/manifest.csv width"),
    Case("from-videos: missing", "data from-videos nowhere.mp4 --out new", INPUT, "nowhere.mp4"),
    Case(
        "from-videos: manifest lacks all",
        "data from-videos clip --out motion_set",
        INPUT,
        "motion_set/manifest.csv",
        text("motion_set/manifest.csv", "name\n"),
    ),
    # ---- evaluation
    Case("clip of 1 frame", "evaluate loop --fps 10", INPUT, "loop 1", loop_frames((64, 48))),
    Case("clip of text", "evaluate a.mp4", INPUT, "a.mp4", text("a.mp4")),
    Case("clip of two sizes", "evaluate loop", INPUT, "loop 2 60x48 64x48", loop_frames((64, 48), (60, 48), (64, 48))),
    Case("frames of another shape", f"{CLIP} --frames loop", INPUT, "loop 48x64 64x48", loop_frames(*[(48, 64)] * 4)),
    Case(
        "masks of another shape",
        f"{CLIP} --masks bad.png",
        INPUT,
        "bad.png 50x50 64x48",
        blank("bad.png", 50, 50, "L", 255),
    ),
    Case("motions of NaN", f"{CLIP} --motions bad.npy", INPUT, "bad.npy NaN", array("bad.npy", field(np.nan))),
    Case("csv in no folder", f"{CLIP} --csv new/a.csv", ENCODER, "new/a.csv"),
    Case(
        "mask network of the clips", f"{CLIP} --mask-network mask_net.safetensors", USAGE, "--mask-network --predicted"
    ),
    Case("IoU: network missing", f"{IOU} --mask-network nowhere", MISSING, "nowhere"),
    Case("IoU: network of text", f"{IOU} --mask-network photo.png", INPUT, "photo.png"),
    Case("IoU: NaN network", f"{IOU} --mask-network bad.safetensors", INPUT, "bad.safetensors", nan_network),
    Case(
        "IoU: manifest of short rows",
        IOU,
        INPUT,
        "photo_set/manifest.csv --split",
        manifest("file,split\nphotos/0.png\n,\n"),
    ),
    # ---- other commands, given results
    Case(
        "network of another kind",
        "mask photo.png --out m.png --mask-network motion.safetensors",
        INPUT,
        "motion.safetensors seer",
    ),
    Case(
        "mask and network",
        "mask photo.png --out m.png --mask mask.png --mask-network a",
        USAGE,
        "--mask-network --mask",
    ),
    Case(
        "all and network",
        "mask photo.png --out m.png --move everything --mask-network a",
        USAGE,
        "--mask-network --move",
    ),
    Case("mask over its network", "mask photo.png --mask-network m.png --out m.png", USAGE, "m.png"),
    Case("import: mask networks", "models import mask_net.safetensors", INPUT, "--mask-network mask_net.safetensors"),
    Case("import: motion network", "models import motion.safetensors", INPUT, "--motion-network motion.safetensors"),
    Case("import: checkpoint", "models import run/checkpoint.pt", INPUT, "run/checkpoint.pt --out"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_is_refused_with_one_line(case: Case, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if case.make is not None:
        case.make(folder)
    before = tree(folder)
    outcome = invoke(case.arguments, capfd)
    assert [line.startswith("cinegan: ") for line in outcome.complaints] == [True], outcome.stderr
    assert all(name in outcome.complaints[0] for name in case.cause.split()), "the line names what is wrong"
    assert outcome.status == case.status
    assert outcome.stdout == ""
    assert tree(folder) == before


def test_what_training_writes_can_be_used(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "paper.safetensors").rename(folder / "net.safetensors")  # nothing in its name says what it moves
    write_models(folder / "pair.safetensors", "generator", "encoder")
    for arguments, expected in (
        ("models import net.safetensors --name mine", "mine: motion.sky"),
        ("models import generator.safetensors --name mine", "mine: generator, motion.sky"),
        ("models import pair.safetensors --name mine", "mine: generator, encoder, motion.sky"),
        ("models import pair.safetensors", "pair: generator, encoder"),
        ("models verify mine", "mine"),
        ("motion photo.png --mask mask.png --motion-network motion.safetensors --out m.npy", "m.npy"),
    ):
        outcome = invoke(arguments, capfd)
        assert outcome.status == OK, outcome.stderr
        assert expected in outcome.stdout


def test_a_mask_network_takes_the_place_of_the_shipped_one(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Trained for two steps, it does not see what the shipped one sees."""
    tables = [
        json.loads(invoke(f"{IOU} --json {option}", capfd).stdout)["each"]["rows"]
        for option in ("", "--mask-network mask_net.safetensors")
    ]
    assert [len(rows) for rows in tables] == [4, 4]
    assert tables[0][0]["confidence"] != tables[1][0]["confidence"]


def test_a_set_without_photos_takes_some_later(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    blank("small.png", 9, 9)(folder)
    refused = invoke("data from-photos small.png --out new", capfd)
    assert refused.status == INPUT
    assert "rejected.csv" in refused.stderr
    Image.fromarray(texture(128, 96)).save(folder / "large.png")
    assert invoke("data from-photos large.png small.png --out new", capfd).status == OK
    assert (folder / "new/photos/large.jpg").is_file()


def test_columns_that_the_user_added_stay(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = folder / "motion_set/manifest.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{header},mine", *(f"{row},hello" for row in rows)]) + "\n")
    assert invoke("data synthetic --out motion_set --count 3 --size 64", capfd).status == OK
    assert [line.rpartition(",")[2] for line in path.read_text().splitlines()] == ["mine", "hello", "hello", ""]


@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM handlers on Windows")
def test_a_run_that_is_told_to_end_goes_on_where_it_was(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    arguments = f"{MOTION} {FIELDS} {NEW} --log-every 1 --steps".split()
    command = [sys.executable, "-m", "cinegan_cli", *arguments, "100000"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (folder / "new/log.csv").is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == ExitStatus.INTERRUPTED
    assert "--resume" in said
    done = torch.load(folder / "new/checkpoint.pt", weights_only=True)["step"]
    assert re.search(rf"\b{done}\b", said)
    assert run([*arguments, str(done + 1), "--resume"]) == OK
    steps = [line.partition(",")[0] for line in (folder / "new/log.csv").read_text().splitlines()[1:]]
    assert steps == [str(n + 1) for n in range(done + 1)]

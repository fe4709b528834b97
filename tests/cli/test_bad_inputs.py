"""Everything that can be wrong with what users give: the right status, one clear line, and nothing left behind."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from cinegan_cli.errors import ExitStatus
from cinegan_cli.models import SHIPPED
from cinegan_cli.nn.classifier import ClassifierConfig, PixelClassifier
from cinegan_cli.nn.lpips import Backbone
from tests import bad_files as bad
from tests import released_files as released
from tests.bad_files import (
    after_a_frame,
    array,
    blank,
    cut,
    ffmpeg_script,
    field,
    folder_named,
    raising,
    settings,
    text,
)
from tests.small_models import write_models
from tests.small_scene import ANIMATE, MOTION, QUICK, invoke, tree, write_scene

PHOTO = f"animate bad.png --mask mask.png {MOTION} {QUICK} --out loop.mp4"
JPEG = PHOTO.replace("bad.png", "bad.jpg")
LOOP = f"{ANIMATE} --out loop.mp4"
MASK = f"animate photo.png {MOTION} {QUICK} --out loop.mp4 --mask"
FIELD = f"animate photo.png --mask mask.png {QUICK} --out loop.mp4"
MOVE = f"{FIELD} --motion"
HINTS = f"{FIELD} --hints hints.json"
FROM = "animate --from saved.json --out loop.mp4"
OVER = f"animate 01.png --mask mask.png {QUICK}"
RENDER = f"render photo.png {QUICK} --out loop.mp4"
LONG = "n" * 300

OK, INTERNAL, USAGE, INPUT = ExitStatus.OK, ExitStatus.INTERNAL, ExitStatus.USAGE, ExitStatus.INPUT
ENCODER, PARTIAL, INTERRUPTED = ExitStatus.ENCODER, ExitStatus.PARTIAL, ExitStatus.INTERRUPTED


class Case(NamedTuple):
    """`arguments` of cinegan and the status they must end with; what is changed before.

    `cause` is what the one line must name: the file or the option, and " & " what else tells this fault from others.
    """

    name: str
    arguments: str
    status: ExitStatus
    cause: str
    make: bad.Make | None = None
    fault: bad.Fault | None = None


def _frames(folder: Path, *, broken: bool = False, wider: bool = False, cut_in_half: bool = False) -> None:
    (folder / "frames").mkdir()
    for index in range(4):
        blank(f"frames/{index}.png", 64 + 2 * (wider and index == 2), 48, "RGB", 20 * index)(folder)
    if broken:
        text("frames/2.png")(folder)
    if cut_in_half:
        (folder / "frames/2.png").unlink()
        cut("frames/2.jpg")(folder)


def _hide_all(folder: Path) -> None:
    for file in folder.glob("*.png"):
        file.rename(folder / ("." + file.name))


def _webp(folder: Path) -> None:
    with Image.open(folder / "photo.png") as photo:
        photo.save(folder / "a.webp")


def _numbered(folder: Path) -> None:
    (folder / "photo.png").rename(folder / "01.png")


def _only_photo(folder: Path) -> None:
    (folder / "mask.png").unlink()


CASES = [
    # ---- the photo
    Case("photo missing", PHOTO, INPUT, "bad.png"),
    Case("photo not named", "animate --out loop.mp4", USAGE, "cinegan animate photo.png"),
    Case("photo of zero bytes", PHOTO, INPUT, "bad.png", text("bad.png", "")),
    Case("PNG cut in half", PHOTO, INPUT, "bad.png", cut("bad.png")),
    Case("JPEG cut in half", JPEG, INPUT, "bad.jpg", cut("bad.jpg")),
    Case("TIFF cut in half", PHOTO.replace("png", "tif", 1), INPUT, "bad.tif", cut("bad.tif")),
    Case("TIFF of 2048 channels", PHOTO.replace("png", "tif", 1), INPUT, "bad.tif", bad.tiff_channels("bad.tif")),
    Case("TIFF of damaged data", PHOTO.replace("png", "tif", 1), INPUT, "bad.tif", bad.damaged_tiff("bad.tif")),
    Case("PNG cut in its header", PHOTO, INPUT, "bad.png", cut("bad.png", share=0.004)),
    Case("PNG with a flipped byte", PHOTO, INPUT, "bad.png", bad.damaged_png("bad.png")),
    Case("text named .jpg", JPEG, INPUT, "bad.jpg", text("bad.jpg")),
    Case("PostScript named .png", PHOTO, INPUT, "bad.png", text("bad.png", "%!PS-Adobe-3.0 EPSF-3.0\n")),
    Case("1x1 px", PHOTO, INPUT, "bad.png & 1x1", blank("bad.png", 1, 1)),
    Case("20000x10 px", PHOTO, INPUT, "bad.png & 20000x10", blank("bad.png", 20000, 10)),
    Case("a strip of 2000x20 px", PHOTO, INPUT, "bad.png & 2000x20", blank("bad.png", 2000, 20)),
    Case("60000x60000 px claimed", PHOTO, INPUT, "bad.png & 60000x60000", bad.png_claiming("bad.png", 60000, 60000)),
    Case("more pixels claimed than held", PHOTO, INPUT, "bad.png", bad.png_claiming("bad.png", 500, 500)),
    Case("name with a line break", "animate 'two\nlines.png' --out loop.mp4", INPUT, "two lines.png"),
    Case("name of 300 letters", f"animate {LONG}.png --out loop.mp4", INPUT, LONG),
    Case("link to itself", PHOTO, INPUT, "bad.png", lambda folder: (folder / "bad.png").symlink_to("bad.png")),
    Case("folder without photos", "animate bad --out loops", INPUT, "bad", folder_named("bad")),
    Case("folder without --out", "animate . --mask mask.png", USAGE, "--out"),
    Case("folder into one file", "animate . --out loop.mp4", USAGE, "--out & loops/*.mp4"),
    Case(
        "folder of one photo with --out a file",
        f"animate . {QUICK} --out motion.npy/x",
        PARTIAL,
        "motion.npy",
        _only_photo,
    ),
    # ---- the mask
    Case("mask missing", f"{MASK} bad.png", INPUT, "bad.png"),
    Case("mask is text", f"{MASK} bad.png", INPUT, "bad.png", text("bad.png")),
    Case("mask is a folder", f"{MASK} bad", INPUT, "bad", folder_named("bad")),
    Case("mask of the wrong size", f"{MASK} bad.png", INPUT, "bad.png & 100x20", blank("bad.png", 100, 20, "L", 255)),
    Case("all-black mask", f"{MASK} bad.png", INPUT, "bad.png", blank("bad.png", 64, 48, "L")),
    Case("transparent mask", f"{MASK} bad.png", INPUT, "bad.png", blank("bad.png", 64, 48, "RGBA")),
    Case(
        "everything frozen", f"{LOOP} --freeze bad.png", INPUT, "bad.png & --freeze", blank("bad.png", 64, 48, "L", 255)
    ),
    Case("freeze missing", f"{LOOP} --freeze bad.png", INPUT, "bad.png"),
    # ---- the motion
    Case("motion missing", f"{MOVE} bad.npy", INPUT, "bad.npy"),
    Case("NaN motion", f"{MOVE} bad.npy", INPUT, "bad.npy", array("bad.npy", field() * np.nan)),
    Case("infinite motion", f"{MOVE} bad.npy", INPUT, "bad.npy", array("bad.npy", field(np.inf))),
    Case("motion beyond all bounds", f"{MOVE} bad.npy", INPUT, "bad.npy & 1e+30", array("bad.npy", field(1e30))),
    Case("wrong .npy shape", f"{MOVE} bad.npy", INPUT, "bad.npy & [3, 4, 5]", array("bad.npy", field(1, 3, 4, 5))),
    Case("channels last", f"{MOVE} bad.npy", INPUT, "bad.npy & [6, 8, 2]", array("bad.npy", field(1, 6, 8, 2))),
    Case(
        "complex motion",
        f"{MOVE} bad.npy",
        INPUT,
        "bad.npy & complex64",
        array("bad.npy", field().astype(np.complex64)),
    ),
    Case("motion without pixels", f"{MOVE} bad.npy", INPUT, "bad.npy & 0x0", array("bad.npy", np.zeros((2, 0, 0)))),
    Case(".npy cut in half", f"{MOVE} bad.npy", INPUT, "bad.npy", cut("bad.npy", "motion.npy")),
    Case(".npy is text", f"{MOVE} bad.npy", INPUT, "bad.npy", text("bad.npy")),
    Case(".npy of Python objects", f"{MOVE} bad.npy", INPUT, "bad.npy", bad.evil_array("bad.npy")),
    Case("a pickle named .npy", f"{MOVE} bad.npy", INPUT, "bad.npy", bad.evil_pickle("bad.npy")),
    Case(".npz of Python objects", f"{MOVE} bad.npz", INPUT, "bad.npz", bad.evil_archive("bad.npz")),
    Case(
        ".npz with two arrays", f"{MOVE} bad.npz", INPUT, "bad.npz & a, b", bad.archive("bad.npz", a=field(), b=field())
    ),
    Case(".npz with damaged data", f"{MOVE} bad.npz", INPUT, "bad.npz", bad.damaged_archive("bad.npz")),
    Case(".npy with a damaged header", f"{MOVE} bad.npy", INPUT, "bad.npy", bad.damaged_header("bad.npy")),
    Case(".npz damaged", f"{MOVE} bad.npz", INPUT, "bad.npz", text("bad.npz", b"PK\x03\x04" + bytes(50))),
    Case(".flo with another start", f"{MOVE} bad.flo", INPUT, "bad.flo", bad.flo("bad.flo", 2, 2, 8, b"HEIP")),
    Case(".flo cut", f"{MOVE} bad.flo", INPUT, "bad.flo", bad.flo("bad.flo", 4, 4, 9)),
    Case(".flo of a billion px", f"{MOVE} bad.flo", INPUT, "bad.flo & 1073741824x1", bad.flo("bad.flo", 1 << 30, 1, 8)),
    Case("motion of unknown kind", f"{MOVE} bad.txt", INPUT, "bad.txt", text("bad.txt")),
    Case("arrow of 3 numbers", f"{FIELD} --arrow 1,2,3", USAGE, "--arrow"),
    Case("arrow with NaN", f"{FIELD} --arrow nan,2,3,4", USAGE, "--arrow"),
    Case("arrow outside", f"{FIELD} --arrow 5,5,500,5", USAGE, "--arrow & 64x48"),
    Case("arrow without length", f"{FIELD} --arrow 5,5,5,5", USAGE, "--arrow"),
    Case("arrow on what is static", f"{FIELD} --arrow 10,45,20,45", USAGE, "--arrow"),
    Case("anchor outside", f"{LOOP} --anchor -5,5", USAGE, "--anchor & 64x48"),
    Case("anchor of words", f"{LOOP} --anchor here", USAGE, "--anchor"),
    Case("network and motion", f"{MOVE} motion.npy --motion-network m", USAGE, "--motion and --motion-network"),
    Case(
        "network missing",
        f"{FIELD} --motion-network bad.safetensors",
        ExitStatus.MODEL_MISSING,
        "bad.safetensors",
    ),
    Case(
        "network of no kind",
        f"{FIELD} --motion-network bad.safetensors",
        INPUT,
        "bad.safetensors",
        text("bad.safetensors"),
    ),
    Case("network of another kind", f"{FIELD} --motion-network {SHIPPED}", INPUT, "compact.safetensors"),
    Case("arrow and motion", f"{LOOP} --motion motion.npy", USAGE, "--motion & --arrow"),
    Case("arrow and direction", f"{LOOP} --direction up", USAGE, "--direction & --arrow"),
    Case("direction sideways", f"{FIELD} --direction sideways", USAGE, "--direction"),
    Case("direction nan", f"{FIELD} --direction nan", USAGE, "--direction"),
    Case("hints missing", HINTS, INPUT, "hints.json"),
    Case("hints of broken JSON", HINTS, INPUT, "hints.json", text("hints.json", '{"shapes": [')),
    Case("hints of deep JSON", HINTS, INPUT, "hints.json", text("hints.json", "[" * 100_000)),
    Case("hints of other JSON", HINTS, INPUT, "hints.json", text("hints.json", '{"a": 1}')),
    Case("hints without arrows", HINTS, INPUT, "hints.json", text("hints.json", '{"shapes": []}')),
    # ---- numbers and words
    Case("speed 0", f"{LOOP} --speed 0", USAGE, "--speed"),
    Case("speed -1", f"{LOOP} --speed -1", USAGE, "--speed & -1"),
    Case("speed nan", f"{LOOP} --speed nan", USAGE, "--speed & nan"),
    Case("speed fast", f"{LOOP} --speed fast", USAGE, "--speed"),
    Case("seconds 0", f"{LOOP} --seconds 0", USAGE, "--seconds"),
    Case("seconds inf", f"{LOOP} --seconds inf", USAGE, "--seconds"),
    Case("fps 1000", f"{LOOP} --fps 1000", USAGE, "--fps & 1000"),
    Case("quality 0", f"{LOOP} --quality 0", USAGE, "--quality"),
    Case("repeat 0", f"{LOOP} --repeat 0", USAGE, "--repeat"),
    Case("threads 0", f"{LOOP} --threads 0", USAGE, "--threads"),
    Case("max-side 2", f"{LOOP} --max-side 2", USAGE, "--max-side"),
    Case("aspect 0:5", f"{LOOP} --aspect 0:5", USAGE, "--aspect & 0:5"),
    Case("aspect x", f"{LOOP} --aspect x", USAGE, "--aspect"),
    Case("aspect 100:1", f"{LOOP} --aspect 100:1", USAGE, "--aspect"),
    Case("aspect too small", f"{LOOP} --aspect 9:1", USAGE, "--aspect"),
    Case("background purple-ish", f"{LOOP} --background purple-ish", USAGE, "--background"),
    Case("unknown loop", f"{LOOP} --loop moebius", USAGE, "--loop"),
    Case("unknown preset", f"{LOOP} --preset cinema", USAGE, "--preset"),
    Case("max-bytes banana", f"{LOOP} --max-bytes banana", USAGE, "--max-bytes & banana"),
    Case("max-bytes 10", f"{LOOP} --max-bytes 10", ENCODER, "loop.mp4 & --max-bytes"),
    Case("unknown option", f"{LOOP} --sharpen", USAGE, "--sharpen"),
    Case("second photo", f"{LOOP} other.png", USAGE, "--out loop.mp4"),
    # ---- outputs
    Case("unknown extension", f"{ANIMATE} --out loop.avi", USAGE, "loop.avi"),
    Case("no extension", f"{ANIMATE} --out loop", USAGE, "loop"),
    Case("existing output", LOOP, ENCODER, "loop.mp4 & --overwrite", text("loop.mp4", "mine")),
    Case("existing frames", f"{ANIMATE} --out %04d.png", ENCODER, "%04d.png & --overwrite", text("0001.png", "mine")),
    Case("existing settings", LOOP, ENCODER, "loop.json & --no-sidecar", text("loop.json", '{"mine": 1}')),
    Case("existing folder", LOOP, ENCODER, "loop.mp4", folder_named("loop.mp4")),
    Case("output over the photo", "animate a.webp --out a.webp --overwrite", USAGE, "a.webp", _webp),
    Case("frames over the photo", f"{OVER} --out 0%d.png --overwrite", USAGE, "01.png", _numbered),
    Case("settings over the hints", f"{OVER} --hints a.json --out a.mp4", USAGE, "a.json", text("a.json")),
    Case("output is a link to itself", LOOP, ENCODER, "loop.mp4", lambda f: (f / "loop.mp4").symlink_to("loop.mp4")),
    Case("same output twice", f"{LOOP} --out ./loop.mp4", USAGE, "loop.mp4"),
    Case("frames without number", f"{ANIMATE} --out frame.png", USAGE, "frame.png"),
    Case("number in the folder", f"{ANIMATE} --out %d/%04d.png", USAGE, "%d/%04d.png"),
    Case("GIF at 60 frames/s", f"{LOOP} --out loop.gif --fps 60", USAGE, "loop.gif & 50"),
    Case("a file for a folder", f"{ANIMATE} --out photo.png/loop.mp4", ENCODER, "photo.png"),
    Case("output of 300 letters", f"{ANIMATE} --out {LONG}.mp4", ENCODER, LONG),
    Case("output of 240 letters", f"{ANIMATE} --out {LONG[:240]}.mp4", ENCODER, LONG[:240]),
    Case("two outputs, one to stdout", f"{LOOP} --out -", USAGE, "--out -"),
    # ---- settings files
    Case("settings missing", FROM, INPUT, "saved.json"),
    Case("settings of broken JSON", FROM, INPUT, "saved.json", text("saved.json", "{")),
    Case("settings of deep JSON", FROM, INPUT, "saved.json", text("saved.json", "[" * 100_000)),
    Case("settings that are a picture", "animate --from photo.png", INPUT, "photo.png"),
    Case("settings of other JSON", FROM, INPUT, "saved.json", text("saved.json", '{"name": "x"}')),
    Case("settings with a wrong option", FROM, USAGE, "colour", settings({"colour": 1})),
    Case("settings with a wrong value", FROM, USAGE, "--seconds & long", settings({"seconds": "long"})),
    Case("settings with a wrong choice", FROM, USAGE, "--loop & flow", settings({"loop": ["flow"]})),
    Case("settings with a wrong preset", FROM, USAGE, "--preset & web", settings({"preset": ["web"]})),
    Case("settings with a wrong list", FROM, USAGE, "--arrow", settings({"arrow": 5})),
    Case("settings with wrong arrows", FROM, USAGE, "--arrow", settings({"arrow": [[1, 2, "x", 4]]})),
    Case("settings of a moved photo", FROM, INPUT, "moved.png", settings({}, photo="moved.png")),
    # ---- the machine
    Case("unwritable folder", LOOP, ENCODER, "loop.mp4", fault=bad.no_permission),
    Case("no folder can be made", f"{ANIMATE} --out a/loop.mp4", ENCODER, "case/a", fault=bad.no_new_folders),
    Case("disk full of frames", f"{ANIMATE} --out a/%d.png", ENCODER, "a/%d.png", fault=bad.full_disk_for_frames),
    Case(
        "disk full for ffmpeg",
        f"{LOOP} --out new/loop.webm",
        ENCODER,
        "loop.mp4",
        fault=ffmpeg_script("sys.stdin.buffer.read()", "sys.exit('loop.mp4: No space left on device')"),
    ),
    Case("ffmpeg missing", LOOP, ENCODER, "imageio-ffmpeg", fault=bad.no_ffmpeg),
    Case("ffmpeg that is not there", LOOP, ENCODER, "imageio-ffmpeg", fault=bad.wrong_ffmpeg),
    Case(
        "ffmpeg that is not there, .webm", f"{ANIMATE} --out a.webm", ENCODER, "imageio-ffmpeg", fault=bad.wrong_ffmpeg
    ),
    Case(
        "ffmpeg gives up",
        LOOP,
        ENCODER,
        "loop.mp4 & libx264",
        fault=ffmpeg_script("sys.stdin.buffer.read(5000)", "sys.exit('Unknown encoder libx264')"),
    ),
    Case(
        "ffmpeg is killed in mid-encode",
        LOOP,
        ENCODER,
        "loop.mp4 & SIGKILL",
        fault=ffmpeg_script(
            "open(sys.argv[-1].removeprefix('file:'), 'wb').write(b'half')",
            "sys.stdin.buffer.read(5000)",
            "os.kill(os.getpid(), signal.SIGKILL)",
        ),
    ),
    Case(
        "Ctrl-C in mid-render",
        f"{LOOP} --out new/loop.gif --out new/frames/%03d.png",
        INTERRUPTED,
        "",
        fault=after_a_frame(raising(KeyboardInterrupt())),
    ),
    Case(
        "a bug in mid-render",
        LOOP,
        INTERNAL,
        "ZeroDivisionError & --traceback",
        fault=after_a_frame(raising(ZeroDivisionError("/"))),
    ),
    Case("memory runs out", LOOP, INTERNAL, "--max-side", fault=after_a_frame(raising(MemoryError()))),
    Case("CUDA that is not there", f"{LOOP} --device cuda", USAGE, "--device"),
    # ---- the other commands
    Case("train: no command", "train", USAGE, "cinegan train --help"),
    Case("unknown command", "animat photo.png", USAGE, "animat"),
    Case("mask: photo missing", "mask bad.png --out m.png", INPUT, "bad.png"),
    Case("mask: no --out", "mask photo.png", USAGE, "--out"),
    Case("mask: unknown kind", "mask photo.png --out m.jpg", USAGE, "--out"),
    Case("mask: overlay of unknown kind", "mask photo.png --out m.png --overlay o.gif", USAGE, "--overlay"),
    Case("mask: exists", "mask photo.png --out mask.png", ENCODER, "mask.png & --overwrite"),
    Case("mask: over the photo", "mask photo.png --out m.png --overlay photo.png --overwrite", USAGE, "photo.png"),
    Case("mask: no folder", "mask photo.png --out a/m.png", ENCODER, "a/m.png"),
    Case("mask: name of 300 letters", f"mask photo.png --mask mask.png --out {LONG}.png", ENCODER, LONG),
    Case("mask: same file twice", "mask photo.png --out m.png --overlay m.png", USAGE, "m.png"),
    Case(
        "mask: disk full",
        "mask photo.png --mask mask.png --out m.png",
        ENCODER,
        "m.png",
        fault=bad.no_new_pictures,
    ),
    Case("motion: bad ending", "motion photo.png --out m.txt", USAGE, "--out"),
    Case("motion: .npz", "motion photo.png --out m.npz", USAGE, "--out"),
    Case("motion: picture of bad kind", "motion photo.png --out m.npy --picture m.jpg", USAGE, "--picture"),
    Case("motion: exists", "motion photo.png --out motion.npy", ENCODER, "motion.npy & --overwrite"),
    Case("motion: name of 300 letters", f"motion photo.png --mask mask.png --out {LONG}.npy", ENCODER, LONG),
    Case("motion: over the photo", "motion photo.png --out m.npy --picture photo.png --overwrite", USAGE, "photo.png"),
    Case(
        "motion: disk full",
        "motion photo.png --mask mask.png --out m.npy",
        ENCODER,
        "m.npy",
        fault=bad.no_new_arrays,
    ),
    Case(
        "motion: disk full for the picture",
        "motion photo.png --mask mask.png --out m.npy",
        ENCODER,
        "m_colours.png",
        fault=bad.no_new_pictures,
    ),
    Case("render: no motion", f"{RENDER} --mask mask.png", USAGE, "--motion"),
    Case("render: no mask", f"{RENDER} --motion motion.npy", USAGE, "--mask"),
    Case("render: motion missing", f"{RENDER} --mask mask.png --motion bad.npy", INPUT, "bad.npy"),
    Case("render: speed -1", f"{RENDER} --mask mask.png --motion motion.npy --speed -1", USAGE, "--speed"),
    Case("render: a folder", f"render . {QUICK} --mask mask.png --motion motion.npy --out loop.mp4", INPUT, "."),
    Case("check: missing", "check loop.mp4", INPUT, "loop.mp4"),
    Case("check: text", "check loop.mp4", INPUT, "loop.mp4", text("loop.mp4")),
    Case("check: empty file", "check loop.mp4", INPUT, "loop.mp4", text("loop.mp4", "")),
    Case("check: empty folder", "check frames", INPUT, "frames", folder_named("frames")),
    Case("check: only hidden frames", "check .", INPUT, ".", _hide_all),
    Case("check: name of 300 letters", f"check {LONG}.mp4", INPUT, LONG),
    Case(
        "check: a frame cut in half",
        "check frames",
        INPUT,
        "frames/2.jpg",
        lambda folder: _frames(folder, cut_in_half=True),
    ),
    Case("check: no frames of a pattern", "check frames/%04d.png", INPUT, "frames/%04d.png"),
    Case("check: one frame", "check photo.png", INPUT, "3"),
    Case("check: a frame of text", "check frames", INPUT, "frames/2.png", lambda folder: _frames(folder, broken=True)),
    Case("check: frames of two sizes", "check frames", INPUT, "frames", lambda folder: _frames(folder, wider=True)),
    Case("check: photo missing", "check frames --photo bad.png --mask mask.png", INPUT, "bad.png", _frames),
    Case("check: photo without mask", "check frames --photo photo.png", USAGE, "--photo and --mask", _frames),
    Case(
        "check: mask of another shape",
        "check frames --photo photo.png --mask bad.png",
        INPUT,
        "bad.png & 100x20",
        lambda folder: (_frames(folder), blank("bad.png", 100, 20)(folder)),
    ),
    Case("train: no such model", "train moods", USAGE, "moods"),
    Case("train mask: no data", "train mask --data nowhere --work new/work", INPUT, "nowhere & --data"),
    Case("train mask: no place for results", "train mask --work photo.png/x", ExitStatus.ENCODER, "photo.png & --work"),
    Case("train mask: steps 0", "train mask --steps 0", USAGE, "--steps"),
    Case("train mask: steps x", "train mask --steps x", USAGE, "--steps"),
    Case("train mask: unknown device", "train mask --device abacus --work new", USAGE, "--device"),
    Case(
        "style: over the reference photo",
        "style photo.png --target mask.png --out mask.png --overwrite",
        USAGE,
        "mask.png",
    ),
    Case(
        "invert: over the models",
        "invert photo.png --models m.safetensors --out m.safetensors --overwrite",
        USAGE,
        "m.safetensors",
    ),
    Case("doctor: unknown option", "doctor --fix", USAGE, "--fix"),
    Case("completion: no shell", "completion", USAGE, "bash & zsh & fish"),
    Case("completion: unknown shell", "completion powershell", USAGE, "powershell"),
]

IMPORT = "models import bad.pt --name mine"
PAIR = "models import net.pth heads.pth"
PAIRED = released.lpips_files
WITH = f"{ANIMATE} --out loop.mp4 --models bad.safetensors"
CASES += [
    Case("checkpoint missing", IMPORT, INPUT, "bad.pt"),
    Case("checkpoint: a folder", "models import . --name mine", INPUT, "."),
    Case("checkpoint of zero bytes", IMPORT, INPUT, "bad.pt", text("bad.pt", "")),
    Case("checkpoint: text", IMPORT, INPUT, "bad.pt", text("bad.pt")),
    Case("checkpoint: a photo", "models import photo.png --name mine", INPUT, "photo.png"),
    Case("checkpoint cut in half", IMPORT, INPUT, "bad.pt", lambda f: released.cut_file(f / "bad.pt")),
    Case("checkpoint with code", IMPORT, INPUT, "bad.pt", lambda f: released.evil_file(f / "bad.pt")),
    Case("old checkpoint with code", IMPORT, INPUT, "bad.pt", lambda f: released.evil_file(f / "bad.pt", legacy=True)),
    Case("checkpoint: a zip", IMPORT, INPUT, "bad.pt", lambda f: _zip(f / "bad.pt")),
    Case(
        "checkpoint: one tensor", IMPORT, INPUT, "bad.pt & Tensor", lambda f: torch.save(torch.zeros(3), f / "bad.pt")
    ),
    Case("checkpoint: a list", IMPORT, INPUT, "bad.pt & list", lambda f: torch.save([1, 2], f / "bad.pt")),
    Case("checkpoint of another network", IMPORT, INPUT, "bad.pt", lambda f: _other_network(f / "bad.pt")),
    Case(
        "checkpoint: NaN weights",
        IMPORT,
        INPUT,
        "bad.pt & style.1.weight",
        lambda f: released.generator_file(f / "bad.pt", released.with_nan),
    ),
    Case(
        "checkpoint: tensor missing",
        IMPORT,
        INPUT,
        "bad.pt & convs.1.activate.bias",
        lambda f: released.generator_file(f / "bad.pt", lambda state: state.pop("convs.1.activate.bias")),
    ),
    Case(
        "checkpoint: key tensor missing",
        IMPORT,
        INPUT,
        "bad.pt & conv1.conv.weight",
        lambda f: released.generator_file(f / "bad.pt", lambda state: state.pop("conv1.conv.weight")),
    ),
    Case(
        "checkpoint: unknown tensor",
        IMPORT,
        INPUT,
        "bad.pt & surplus",
        lambda f: released.generator_file(f / "bad.pt", lambda state: state.update(surplus=torch.zeros(2))),
    ),
    Case(
        "checkpoint: tensor of another shape",
        IMPORT,
        INPUT,
        "bad.pt & to_rgb1.bias",
        lambda f: released.generator_file(f / "bad.pt", lambda state: state.update({"to_rgb1.bias": torch.zeros(2)})),
    ),
    Case(
        "motion network of 6 channels",
        IMPORT + " --water bad.pt",
        INPUT,
        "bad.pt & 6",
        lambda f: released.motion_file(f / "bad.pt", outputs=6),
    ),
    Case("motion network of what", IMPORT, USAGE, "bad.pt & --sky", lambda f: released.motion_file(f / "bad.pt")),
    Case(
        "classifiers of two shapes",
        "models import a.pth bad.pt --name mine",
        INPUT,
        "bad.pt & a.pth",
        lambda f: (released.mask_file(f / "a.pth"), _other_classifier(f / "bad.pt")),
    ),
    Case("LPIPS: backbone alone", PAIR.replace("heads.pth", ""), INPUT, "net.pth & alex.pth", PAIRED),
    Case("LPIPS: heads alone", PAIR.replace("net.pth", ""), INPUT, "heads.pth & alexnet-owt-7be5be79.pth", PAIRED),
    Case("LPIPS: twice the same", PAIR + " b.pth", INPUT, "b.pth & features.0.bias", lambda f: _third_half(f, "alex")),
    Case(
        "LPIPS: heads of the other network",
        "models import heads.pth b.pth",
        INPUT,
        "b.pth",
        lambda f: _third_half(f, "vgg"),
    ),
    Case(
        "LPIPS: NaN weights",
        PAIR,
        INPUT,
        "net.pth & features.0.weight",
        lambda f: released.lpips_files(f, change=released.with_nan),
    ),
    Case(
        "LPIPS: NaN heads",
        PAIR,
        INPUT,
        "heads.pth & heads.0",
        lambda f: released.lpips_files(f, change_heads=released.with_nan),
    ),
    Case(
        "LPIPS: tensor of another shape",
        PAIR,
        INPUT,
        "net.pth & features.3.bias",
        lambda f: released.lpips_files(f, change=lambda state: state.update({"features.3.bias": torch.zeros(2)})),
    ),
    Case(
        "LPIPS: tensor missing",
        PAIR,
        INPUT,
        "net.pth & features.8.bias",
        lambda f: released.lpips_files(f, change=lambda state: state.pop("features.8.bias")),
    ),
    Case(
        "LPIPS: another backbone",
        PAIR,
        INPUT,
        "net.pth & features.99.bias",
        lambda f: released.lpips_files(f, change=lambda state: state.update({"features.99.bias": torch.zeros(2)})),
    ),
    Case(
        "LPIPS: first layer missing",
        PAIR,
        INPUT,
        "net.pth",
        lambda f: released.lpips_files(f, change=lambda state: state.pop("features.0.weight")),
    ),
    Case(
        "LPIPS: a generator as weights",
        "train encoder --lpips bad.pt",
        INPUT,
        "bad.pt & --lpips",
        lambda f: released.generator_file(f / "bad.pt"),
    ),
    Case("set named with a path", "models path a/b", USAGE, "a/b"),
    Case("set to remove is not there", "models rm mine", ExitStatus.MODEL_MISSING, "mine"),
    Case("nothing of that name to verify", "models verify mine", ExitStatus.MODEL_MISSING, "mine"),
    Case("pull of no known name", "models pull moods", USAGE, "moods"),
    Case("pull with half a checksum", "models pull http://127.0.0.1:9/a --sha256 abc", USAGE, "--sha256"),
    Case(
        "D10 of the shipped generator",
        f"{LOOP} --backbone stylecinegan --inversion-index 10",
        INPUT,
        "--inversion-index & D14",
    ),
    Case("unknown set", f"{LOOP} --models moods", ExitStatus.MODEL_MISSING, "--models moods"),
    Case("bundle missing", WITH, ExitStatus.MODEL_MISSING, "bad.safetensors"),
    Case("bundle: text", WITH, INPUT, "bad.safetensors", text("bad.safetensors")),
    Case("bundle cut in half", WITH, INPUT, "bad.safetensors", lambda f: released.cut_bundle(f / "bad.safetensors")),
    Case(
        "bundle: other safetensors",
        WITH,
        INPUT,
        "bad.safetensors",
        lambda f: released.plain_safetensors(f / "bad.safetensors"),
    ),
    Case(
        "bundle of NaN",
        WITH,
        INPUT,
        "bad.safetensors & last.weight",
        lambda f: released.nan_bundle(f / "bad.safetensors"),
    ),
    Case(
        "bundle without encoder",
        WITH,
        ExitStatus.MODEL_MISSING,
        "bad",
        lambda f: write_models(f / "bad.safetensors", "generator"),
    ),
    Case(
        "latents missing",
        WITH + " --latents l.safetensors",
        INPUT,
        "l.safetensors & cinegan invert",
        lambda f: write_models(f / "bad.safetensors"),
    ),
    Case(
        "latents: another file",
        WITH + " --latents bad.safetensors",
        INPUT,
        "bad.safetensors",
        lambda f: write_models(f / "bad.safetensors"),
    ),
    Case(
        "a feature beyond the generator",
        WITH + " --inversion-index 18",
        INPUT,
        "--inversion-index & D14",
        lambda f: write_models(f / "bad.safetensors"),
    ),
    Case("deep without a generator", f"{LOOP} --mode deep", USAGE, "--mode & cinegan models import"),
    Case("invert: no set", "invert photo.png --out l.safetensors --models a", ExitStatus.MODEL_MISSING, "--models"),
    Case("invert: bad ending", "invert photo.png --out l.pt", USAGE, "--out"),
    Case("style: no photo", "style --target sunset", USAGE, "cinegan style"),
    Case("style: no look", "style photo.png --out a.png", USAGE, "--target"),
    Case("style: unknown look", "style photo.png --target moody --out a.png", USAGE, "--target"),
    Case(
        "style: reference of text",
        "style photo.png --target a.jpg --backbone pyramid --out a.png",
        INPUT,
        "a.jpg",
        text("a.jpg"),
    ),
    Case("style: strength 9", "style photo.png --target sunset --strength 9 --out a.png", USAGE, "--strength"),
    Case("style: still and cycle", "style photo.png --target sunset --cycle --out a.png", USAGE, "--cycle"),
    Case("style: over the photo", "style photo.png --target sunset --out photo.png --overwrite", USAGE, "photo.png"),
    Case("style: exists", "style photo.png --target sunset --out mask.png", ENCODER, "mask.png & --overwrite"),
]


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")


def _other_network(path: Path) -> None:
    torch.save(torch.nn.Linear(3, 2).state_dict(), path)


def _third_half(folder: Path, backbone: Backbone) -> None:
    released.lpips_files(folder)
    torch.save(released.lpips_states(backbone)[0], folder / "b.pth")


def _other_classifier(path: Path) -> None:
    torch.save(PixelClassifier(ClassifierConfig(1472, (6, 4))).state_dict(), path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the small scene in it."""
    place = tmp_path / "case"
    place.mkdir()
    write_scene(place)
    monkeypatch.chdir(place)
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path / "home"))
    return place


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_is_refused_with_one_line(
    case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    refused(case, folder, monkeypatch, capfd)


def refused(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Fails unless the command ends as it should and leaves the folder as it was."""
    if "cuda" in case.arguments and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    if case.make is not None:
        case.make(folder)
    before = tree(folder)
    with monkeypatch.context() as patch:
        if case.fault is not None:
            case.fault(patch, folder)
        outcome = invoke(case.arguments, capfd)
    assert "Traceback" not in outcome.stderr
    assert [line.startswith("cinegan: ") for line in outcome.complaints] == [True], outcome.stderr
    assert [name for name in case.cause.split(" & ") if name not in outcome.complaints[0]] == [], outcome.stderr
    assert outcome.status == case.status
    assert outcome.stdout == ""
    assert tree(folder) == before

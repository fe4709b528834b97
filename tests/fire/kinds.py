"""Every kind of file that cinegan reads: how a small sound one is made, and the command that reads it."""

from __future__ import annotations

import base64
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from cinegan_cli.cli.main import run
from cinegan_cli.errors import ExitStatus
from tests import released_files as released
from tests.bad_files import array, field
from tests.cli.test_bad_deeplandscape import lmdb_set
from tests.deeplandscape_files import lighting, model_dict, save, save_whole
from tests.small_landscape_set import write_landscape_set, write_latents_of
from tests.small_models import write_models
from tests.small_scene import HEIGHT, MOTION, QUICK, WIDTH, texture, upper_half

TRAIN = "--work run --out out.safetensors --batch 2 --steps 1 --sample-every 0 --device cpu"
OUTLINE = [[4, 4], [40, 6], [30, 30]]


@dataclass(frozen=True)
class Kind:
    """`file`, which `make` writes beside the small scene, is damaged `count` times; `command` reads it."""

    file: str
    make: Callable[[Path], object]
    command: str
    count: int


def picture(name: str, **options: object) -> Callable[[Path], object]:
    return lambda folder: Image.fromarray(texture()).save(folder / name, **options)  # type: ignore[arg-type]


def moving(name: str) -> Callable[[Path], object]:
    """Three pictures one after the other."""
    pages = [Image.fromarray(np.roll(texture(), 5 * k, axis=1)) for k in range(3)]
    return lambda folder: pages[0].save(folder / name, save_all=True, append_images=pages[1:], duration=100)


def described(name: str) -> Callable[[Path], object]:
    """With EXIF and a colour profile: what photos carry beside their pixels."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return picture(name, exif=exif, icc_profile=profile)


def mask(folder: Path) -> None:
    Image.fromarray(upper_half()).save(folder / "m.png")


def left_half(folder: Path) -> None:
    Image.fromarray(np.where(np.arange(WIDTH) < WIDTH // 2, upper_half(), 0).astype(np.uint8)).save(folder / "m.png")


def labelme(folder: Path) -> None:
    """Outlines, a line and the picture itself, as labelme writes them."""
    whole = io.BytesIO()
    Image.fromarray(texture()).save(whole, "PNG")
    shapes = [
        {"label": "sky", "shape_type": "polygon", "points": OUTLINE, "group_id": None, "flags": {}},
        {"label": "flow", "shape_type": "line", "points": [[10, 10], [30, 12]], "group_id": None, "flags": {}},
    ]
    drawing = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": "photo.png"}
    drawing |= {"imageData": base64.b64encode(whole.getvalue()).decode(), "imageHeight": HEIGHT, "imageWidth": WIDTH}
    (folder / "drawn.json").write_text(json.dumps(drawing))


def cvat(folder: Path) -> None:
    points = ";".join(f"{x}.0,{y}.0" for x, y in OUTLINE)
    (folder / "drawn.xml").write_text(
        f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><image id="0" name="photo.png" '
        f'width="{WIDTH}" height="{HEIGHT}"><polygon label="sky" points="{points}"/></image></annotations>'
    )


def flo(folder: Path) -> None:
    """Middlebury's format."""
    head = np.array([202021.25], "<f4").tobytes() + np.array([WIDTH, HEIGHT], "<i4").tobytes()
    (folder / "m.flo").write_bytes(head + np.ones((HEIGHT, WIDTH, 2), "<f4").tobytes())


def project(folder: Path) -> None:
    """The folder `lake`, and the same as a zip."""
    values = {"cinegan_project": 1, "title": "Lake", "name": "photo.png", "photo": "photo.png", "version": 3}
    values |= {"settings": {"seconds": 0.3, "fps": 10, "speed": 1.5}, "arrows": [[10, 10, 50, 12]], "anchors": [[3, 3]]}
    values |= {"kinds": [{"kind": "river", "at": [20, 8]}, {"kind": "sky", "at": None}]}
    (folder / "lake").mkdir()
    (folder / "lake" / "project.json").write_text(json.dumps(values, indent=1))
    for name in ("photo.png", "mask.png"):
        shutil.copy(folder / name, folder / "lake" / name)
    with zipfile.ZipFile(folder / "lake.cinegan", "w", zipfile.ZIP_DEFLATED) as bundle:
        for file in (folder / "lake").iterdir():
            bundle.write(file, file.name)


def loop(*names: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        outputs = " ".join(f"--out {name}" for name in names)
        status = run(f"animate photo.png --mask mask.png {MOTION} {QUICK} {outputs} --quiet".split())
        assert status == ExitStatus.OK

    return make


def latents(folder: Path) -> None:
    write_landscape_set(folder / "dl.safetensors", "generator")
    write_latents_of(folder / "latents.safetensors", (4, 5))


def wind(folder: Path) -> None:
    write_landscape_set(folder / "dl.safetensors", "generator")
    (folder / "wind.txt").write_text("0.03 0\n0.035 0\n-1e-2 0.002\n0.03 0\n")


def photo_set(folder: Path) -> None:
    """Two photos with painted masks, arrows and a table."""
    for name in ("photos", "annotated"):
        (folder / "set" / name).mkdir(parents=True)
    for k in range(2):
        Image.fromarray(np.roll(texture(), 9 * k, 1)).save(folder / f"set/photos/{k}.png")
        Image.fromarray((upper_half() // 255).astype(np.uint8)).save(folder / f"set/annotated/{k}_mask.png")
    rows = "".join(f"photos/{k}.png,train,CC0-1.0,yes\n" for k in range(2))
    (folder / "set/manifest.csv").write_text(f"file,split,licence,train_shipped_weights\n{rows}")
    drawn = [{"kind": "sky", "sure": 0.9, "arrows": [[200, 200, 240, 200], [300, 100, 320.5, 100]]}]
    (folder / "set/arrows.json").write_text(json.dumps({str(k): {"regions": drawn} for k in range(2)}))


KINDS = (
    *(
        Kind(name, make, f"animate {name} --mask mask.png {MOTION} {QUICK} --dry-run --out loop.mp4", count)
        for name, make, count in (
            ("a.png", described("a.png"), 900),
            ("a.jpg", described("a.jpg"), 900),
            ("a.webp", described("a.webp"), 700),
            ("a.gif", moving("a.gif"), 500),
            ("a.bmp", picture("a.bmp"), 400),
            ("apng.png", moving("apng.png"), 300),
            ("a.tif", picture("a.tif", compression="tiff_lzw"), 40),
        )
    ),
    *(
        Kind(name, make, f"mask photo.png --mask {name} --out out.png", 500)
        for name, make in (("m.png", mask), ("drawn.json", labelme), ("drawn.xml", cvat))
    ),
    Kind("m.png", left_half, "mask photo.png --mask mask.png --freeze m.png --out out.png", 200),
    *(
        Kind(name, make, f"motion photo.png --mask mask.png --motion {name} --out out.npy", 500)
        for name, make in (
            ("m.npy", array("m.npy", field(1.0, 2, 6, 8))),
            ("m.npz", lambda folder: np.savez_compressed(folder / "m.npz", motion=field())),
            ("m.flo", flo),
        )
    ),
    Kind("drawn.json", labelme, "motion photo.png --mask mask.png --hints drawn.json --out out.npy", 500),
    Kind("b.jpg", picture("b.jpg"), "style photo.png --mask mask.png --target b.jpg --out still.png", 30),
    Kind("lake.cinegan", project, "animate lake.cinegan --out loop.gif", 300),
    Kind("lake/project.json", project, "animate lake --out loop.gif", 400),
    Kind(
        "small.safetensors",
        lambda folder: write_models(folder / "small.safetensors"),
        f"animate photo.png --mask mask.png {MOTION} --models small.safetensors {QUICK} --dry-run --out loop.mp4",
        300,
    ),
    Kind(
        "latents.safetensors",
        latents,
        f"animate photo.png --mask mask.png {MOTION} --backbone deeplandscape --models dl.safetensors "
        f"--latents latents.safetensors {QUICK} --out loop.gif",
        100,
    ),
    Kind("g.pt", lambda folder: released.generator_file(folder / "g.pt"), "models import g.pt --name mine", 400),
    Kind("g.model", lambda folder: save(folder / "g.model", model_dict()), "models import g.model --name mine", 200),
    Kind(
        "whole.pth",
        lambda folder: save_whole(folder / "whole.pth", lighting(), legacy=True),
        "models import whole.pth --name mine",
        400,
    ),
    *(
        Kind(name, loop(name), f"check {name}", count)
        for name, count in (("l.mp4", 150), ("l.webp", 150), ("l.gif", 150))
    ),
    Kind("l.json", loop("l.gif"), "animate --from l.json --out other.mp4 --dry-run", 600),
    Kind("set/manifest.csv", photo_set, f"train mask --data set --annotations none --side 64 {TRAIN}", 150),
    Kind("set/arrows.json", photo_set, f"train motion --data set --side 64 {TRAIN}", 150),
    Kind("whole/64/data.mdb", lmdb_set, f"train deeplandscape --data whole --size 64 --multiplier 0.02 {TRAIN}", 100),
    Kind("wind.txt", wind, "sample --models dl.safetensors --homography wind.txt --out s.gif --seconds 0.1", 60),
)

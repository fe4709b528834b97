"""What a photo's file says about its owner stays there: place, camera, names and folders reach no output."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cinegan_cli.errors import ExitStatus
from tests.small_scene import MOTION, QUICK, invoke, texture, upper_half

SECRETS = ("CAMERA-7431", "OWNER-7432", "XMP-7433", "FOLDER-7434", "COMMENT-7435", "PHOTO-7436")
CAMERA, OWNER, XMP, FOLDER, COMMENT, PHOTO = SECRETS
GPS, MAKE, ARTIST = 0x8825, 0x010F, 0x013B  # EXIF tags
LATITUDE = (47.0, 33.0, 21.0)

COMMANDS = {
    "animate": f"animate {{photo}} --mask {{mask}} {MOTION} {QUICK}"
    + "".join(f" --out {name}" for name in ("a.mp4", "a.webm", "a.gif", "a.webp", "a.apng", "frames/%02d.png")),
    "style": f"style {{photo}} --target sunset --backbone pyramid --mask {{mask}} {MOTION} {QUICK} "
    "--out a.png --out a.jpg --out a.mp4",
    "mask": "mask {photo} --mask {mask} --out mask.png",
    "motion": f"motion {{photo}} --mask {{mask}} {MOTION} --out field.npy",
    "invert": "invert {photo} --out latents.safetensors",
}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo that says where, by whom and with what it was taken."""
    exif = Image.Exif()
    exif[MAKE], exif[ARTIST] = CAMERA, OWNER
    exif[GPS] = {1: "N", 2: LATITUDE}
    folder = tmp_path / FOLDER
    folder.mkdir()
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{XMP}</x:xmpmeta>".encode()
    path = folder / f"{PHOTO}.jpg"
    Image.fromarray(texture(256, 192)).save(path, exif=exif, xmp=xmp, comment=COMMENT)
    Image.fromarray(upper_half(256, 192)).save(folder / "mask.png")
    data = path.read_bytes()
    if XMP.encode() not in data:
        pytest.skip("this Pillow writes no XMP")
    assert all(secret.encode() in data for secret in SECRETS[:3] + SECRETS[4:5])
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_no_output_says_what_the_photo_says(
    photo: Path, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    line = COMMANDS[command].format(photo=photo, mask=photo.parent / "mask.png")
    assert invoke(line, capfd).status == ExitStatus.OK
    files = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert files
    for file in files:
        data = file.read_bytes()
        # a settings file names the photo, by its bare name alone
        hidden = [secret for secret in SECRETS if not (secret == PHOTO and file.suffix == ".json")]
        assert [secret for secret in hidden if secret.encode() in data] == [], file.name
        assert b"Exif\0\0" not in data
        if file.suffix in (".png", ".jpg", ".gif", ".webp", ".apng"):
            with Image.open(file) as picture:
                assert dict(picture.getexif()) == {}, file.name
                assert not {"exif", "xmp", "XML:com.adobe.xmp", "comment"} & picture.info.keys()

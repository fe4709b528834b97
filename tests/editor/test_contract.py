"""What the page relies on."""

from __future__ import annotations

import io
import shlex
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.types import KINDS, LABEL_OF_KIND
from tests.editor.conftest import ADDRESS, API, SIZE, TOKEN, finished
from tests.small_scene import HEIGHT, WIDTH, invoke, texture, tree, upper_half


def png(pixels: NDArray[Any]) -> bytes:
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "PNG")
    return made.getvalue()


def picture(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)))


def field(data: bytes) -> dict[str, NDArray[Any]]:
    """The motion as the page reads it."""
    h, w = struct.unpack("<II", data[:8])
    cells = h * w
    assert len(data) == 8 + 8 * cells
    planes = {
        name: np.frombuffer(data, "<f2", cells, 8 + 2 * cells * k).reshape(h, w) for k, name in enumerate(("x", "y"))
    }
    for k, name in enumerate(("cycles", "ripple", "nearness", "kinds")):
        planes[name] = np.frombuffer(data, np.uint8, cells, 8 + (4 + k) * cells).reshape(h, w)
    return planes


def version(client: Any) -> int:
    return int(client.get(f"{API}/state").json()["version"])


def test_the_page_and_its_parts_may_load_nothing_from_elsewhere(client: Any) -> None:
    page = client.get(f"/{TOKEN}/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    assert client.get(f"/{TOKEN}/static/index.html").content == page.content


def test_the_state_of_an_empty_desk(client: Any) -> None:
    state = client.get(f"{API}/state").json()
    assert state["photo"] is None
    assert not state["saved"]
    assert {"mp4", "png"} <= set(state["formats"])
    assert "sunset" in state["looks"]
    for path in ("photo.jpg", "mask.png", "motion?version=0", "command", "project.cinegan"):
        assert client.get(f"{API}/{path}").status_code == 404
    assert client.put(f"{API}/edits", json={"arrows": []}).status_code == 404


def test_a_photo_becomes_a_project(client: Any, projects: Path) -> None:
    data = png(texture())
    state = client.post(f"{API}/photo?name=..%2FLake%20one.png", content=data).json()
    assert state["photo"] == {
        "name": "../Lake one.png",
        "width": WIDTH,
        "height": HEIGHT,
        "work": dict(zip(("width", "height"), SIZE, strict=True)),
    }
    assert state["title"] == "Lake one"
    assert state["saved"]
    (folder,) = projects.iterdir()
    assert folder.name.startswith("lake-one-")
    assert (folder / "photo.png").read_bytes() == data
    second = client.post(f"{API}/photo", content=data).json()
    assert second["version"] > state["version"]
    assert len(list(projects.iterdir())) == 2


def test_pictures_at_working_size_and_parts_at_full_size(client: Any) -> None:
    large = texture(2000, 1000)
    state = client.post(f"{API}/photo", content=png(large)).json()
    assert state["photo"]["work"] == {"width": 1600, "height": 800}
    assert picture(client.get(f"{API}/photo.jpg").content).shape == (800, 1600, 3)
    tile = picture(client.get(f"{API}/photo.jpg?tile=1900,960,100,40").content)
    assert tile.shape == (40, 100, 3)
    assert np.abs(tile.astype(int) - large[960:, 1900:]).mean() < 8  # JPEG
    for wrong in ("1950,0,100,10", "0,0,0,5", "1,2,3", "a,b,c,d", "-1,0,5,5", "0,0,2000,3000"):
        assert client.get(f"{API}/photo.jpg?tile={wrong}").status_code == 422
    assert picture(client.get(f"{API}/mask.png").content).shape == (800, 1600)


def test_what_is_found_moves_and_has_kinds(client: Any) -> None:
    client.post(f"{API}/photo", content=png(texture()))
    mask = picture(client.get(f"{API}/mask.png").content)
    assert mask.mean() > 128
    planes = field(client.get(f"{API}/motion?version={version(client)}").content)
    assert np.abs(planes["x"]).max() > 0
    assert planes["cycles"].min() >= 1
    assert set(np.unique(planes["kinds"])) <= set(LABEL_OF_KIND)
    kinds = picture(client.get(f"{API}/kinds.png").content)
    np.testing.assert_array_equal(kinds, planes["kinds"])


def test_an_arrow_is_one_second_of_travel(opened: Any) -> None:
    planes = field(opened.get(f"{API}/motion?version={version(opened)}").content)
    h, w = planes["x"].shape
    at = planes["x"][h // 4, w // 2], planes["y"][h // 4, w // 2]
    np.testing.assert_allclose(at, (40 / WIDTH, 2 / WIDTH), rtol=0.05, atol=0.003)  # float16


def test_arrows_on_a_painted_mask_leave_the_kinds_that_were_seen(opened: Any) -> None:
    opened.put(f"{API}/mask", content=png(np.full((HEIGHT, WIDTH), 255, np.uint8)))
    planes = field(opened.get(f"{API}/motion?version={version(opened)}").content)
    top, bottom = planes["kinds"][1], planes["kinds"][-2]
    assert set(np.unique(top)) == {LABEL_OF_KIND[KINDS.index("sky")]}
    assert set(np.unique(bottom)) == {LABEL_OF_KIND[KINDS.index("lake")]}


def test_a_painted_mask_is_kept_and_given_back(client: Any, projects: Path) -> None:
    client.post(f"{API}/photo", content=png(texture()))
    found = client.get(f"{API}/mask.png").content
    before = version(client)
    assert client.put(f"{API}/mask", content=png(upper_half())).json() == {"version": before + 1}
    assert client.get(f"{API}/state").json()["hand"] == {"mask": True, "freeze": False}
    np.testing.assert_array_equal(picture(client.get(f"{API}/mask.png").content), upper_half())
    assert client.put(f"{API}/freeze", content=png(255 - upper_half())).status_code == 200
    np.testing.assert_array_equal(picture(client.get(f"{API}/freeze.png").content), 255 - upper_half())
    np.testing.assert_array_equal(picture(client.get(f"{API}/mask.png").content), upper_half())
    assert client.delete(f"{API}/mask").json() == {"version": before + 3}
    assert client.get(f"{API}/mask.png").content == found
    assert client.delete(f"{API}/freeze").status_code == 200
    assert not picture(client.get(f"{API}/freeze.png").content).any()
    (folder,) = projects.iterdir()
    assert {*tree(folder)} == {"project.json", "photo.png"}


def test_colours_of_a_canvas_are_taken_for_greys(client: Any) -> None:
    client.post(f"{API}/photo", content=png(texture()))
    canvas = np.dstack([upper_half()] * 3 + [np.full_like(upper_half(), 255)])
    assert client.put(f"{API}/mask", content=png(canvas)).status_code == 200
    np.testing.assert_array_equal(picture(client.get(f"{API}/mask.png").content), upper_half())


def test_an_all_black_mask_is_a_state_like_any_other(client: Any) -> None:
    client.post(f"{API}/photo", content=png(texture()))
    assert client.put(f"{API}/mask", content=png(np.zeros((HEIGHT, WIDTH), np.uint8))).status_code == 200
    assert not picture(client.get(f"{API}/mask.png").content).any()
    answer = client.get(f"{API}/motion?version={version(client)}")
    assert answer.status_code == 422
    assert "nothing moves" in answer.json()["error"]
    assert any("nothing moves" in notice for notice in client.get(f"{API}/state").json()["notices"])


def test_edits_replace_the_parts_they_name(opened: Any) -> None:
    edits = {"anchors": [[1, 2]], "kinds": [{"kind": "river", "at": None}, {"kind": "sky", "at": [5, 5]}]}
    before = version(opened)
    assert opened.put(f"{API}/edits", json=edits).json() == {"version": before + 1}
    state = opened.get(f"{API}/state").json()
    assert {name: state[name] for name in edits} == edits
    assert state["arrows"] == [[10, 10, 50, 12]]
    assert (state["settings"]["seconds"], state["settings"]["speed"]) == (0.3, 1.0)
    opened.put(f"{API}/edits", json={"settings": {"speed": 2, "target": None}})
    state = opened.get(f"{API}/state").json()
    assert (state["settings"]["seconds"], state["settings"]["speed"]) == (4.0, 2.0)


WRONG = [
    {"settings": {"speed": 1e9}},
    {"settings": {"speed": "fast"}},
    {"settings": {"mask": "/etc/passwd"}},
    {"settings": {"target": "/etc/passwd"}},
    {"settings": {"wind": "../winds.csv"}},
    {"settings": {"models": "x.safetensors"}},
    {"settings": {"direction": "sideways"}},
    {"settings": {"cycles": "many"}},
    {"settings": {"aspect": "wide"}},
    {"settings": {"max_bytes": "few"}},
    {"settings": {"backbone": "deep"}},
    {"settings": []},
    {"arrows": [[1, 2, 3]]},
    {"arrows": [[1, 2, 1, 2]]},
    {"arrows": [[0, 0, 1e4, 0]]},
    {"arrows": [[0, 0, "1", 0]]},
    {"arrows": [[0, 0, 1, 1]] * 1001},
    {"anchors": [[-1, 0]]},
    {"anchors": {"x": 1}},
    {"kinds": [{"kind": "lava"}]},
    {"kinds": [{"kind": "sky", "at": [999, 0]}]},
    {"mask": "x.png"},
    [1, 2],
]


@pytest.mark.parametrize("edits", WRONG, ids=lambda edits: str(edits)[:40])
def test_wrong_edits_are_refused_in_a_line_and_change_nothing(edits: Any, opened: Any, projects: Path) -> None:
    before = tree(projects)
    answer = opened.put(f"{API}/edits", json=edits)
    assert answer.status_code == 422
    assert answer.json()["error"].count("\n") == 0
    assert tree(projects) == before


def test_a_motion_of_another_version_is_stale(opened: Any) -> None:
    now = version(opened)
    for asked in (now - 1, now + 1):
        answer = opened.get(f"{API}/motion?version={asked}")
        assert (answer.status_code, answer.json()["version"]) == (409, now)
    assert opened.get(f"{API}/motion?version=x").status_code == 422


def test_thumbnails_of_looks(opened: Any) -> None:
    thumb = picture(opened.get(f"{API}/look/sunset.jpg").content)
    assert max(thumb.shape) == WIDTH  # the photo is smaller than a thumbnail
    assert opened.get(f"{API}/look/lava.jpg").status_code == 422


def test_a_title(opened: Any) -> None:
    assert opened.put(f"{API}/title", json={"title": "Lake\nat night"}).status_code == 200
    assert opened.get(f"{API}/state").json()["title"] == "Lakeat night"
    assert opened.put(f"{API}/title", json={"title": " "}).status_code == 422


def test_a_preview_is_small_and_true(opened: Any) -> None:
    job = opened.post(f"{API}/preview", json={"version": version(opened)}).json()["job"]
    assert finished(opened, job)["state"] == "done"
    loop = opened.get(f"{API}/jobs/{job}/file")
    assert loop.headers["content-type"] == "video/mp4"
    assert loop.content[4:8] == b"ftyp"


def test_an_estimate(opened: Any) -> None:
    made = opened.post(f"{API}/estimate", json={"format": "gif", "max_bytes": "1KB"}).json()
    assert (made["width"], made["height"], made["frames"]) == (WIDTH, HEIGHT, 3)
    assert 0 < made["bytes"] <= 1000
    assert made["seconds"] > 0
    assert opened.post(f"{API}/estimate", json={"format": "exe"}).status_code == 422


def test_an_export_that_fails_says_why(opened: Any) -> None:
    opened.put(f"{API}/mask", content=png(np.zeros((HEIGHT, WIDTH), np.uint8)))
    job = opened.post(f"{API}/export", json={}).json()["job"]
    over = finished(opened, job)
    assert over["state"] == "failed"
    assert "nothing moves" in over["error"]
    assert opened.get(f"{API}/jobs/{job}/file").status_code == 404


def test_the_command_to_copy_can_be_typed(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    opened.put(f"{API}/edits", json={"settings": {"seconds": 0.3, "fps": 10}})
    command = opened.get(f"{API}/command").json()["command"]
    assert invoke(command.removeprefix("cinegan "), capfd).status == 0
    assert (tmp_path / "loop.mp4").is_file()


def test_the_command_is_what_the_export_does(
    opened: Any, projects: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    opened.put(f"{API}/edits", json={"settings": {"seconds": 0.3, "fps": 10, "target": "noir"}})
    asked = {"format": "gif", "preset": "wallpaper", "quality": 80, "max_side": 48}  # 80 is no preset's
    command = opened.post(f"{API}/command", json=asked).json()["command"]
    outcome = invoke(command.removeprefix("cinegan "), capfd)
    assert outcome.status == 0, outcome.stderr
    job = opened.post(f"{API}/export", json=asked).json()["job"]
    assert finished(opened, job)["state"] == "done"
    assert (tmp_path / "loop.gif").read_bytes() == opened.get(f"{API}/jobs/{job}/file").content
    assert opened.post(f"{API}/command", json={"format": "exe"}).status_code == 422


def test_a_wind_is_a_render_by_deeplandscape_and_wins_over_arrows(opened: Any) -> None:
    windy = {"seconds": 0.3, "fps": 10, "backbone": "deeplandscape", "wind": "3h", "light_cycle": True}
    assert opened.put(f"{API}/edits", json={"settings": windy}).status_code == 200
    words = shlex.split(opened.get(f"{API}/command").json()["command"])
    assert words[words.index("--backbone") + 1] == "deeplandscape"
    assert words[words.index("--wind") + 1] == "3h"
    assert "--light-cycle" in words
    assert "--arrow" not in words
    made = opened.post(f"{API}/estimate", json={}).json()
    assert made["seconds"] is None
    assert made["bytes"] > 0
    assert opened.put(f"{API}/edits", json={"settings": {**windy, "backbone": None}}).status_code == 200
    assert "--arrow" in opened.get(f"{API}/command").json()["command"]


def test_the_own_address_is_needed_in_origins_but_origins_are_not(client: Any) -> None:
    assert client.get(f"{API}/state", headers={"origin": ADDRESS}).status_code == 200
    del client.headers["origin"]
    assert client.get(f"{API}/state").status_code == 200

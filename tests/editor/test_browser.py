"""The page in a real browser, with the real server and seer; skipped, visibly, where there is no Chromium.

With `CINEGAN_SCREENSHOTS` set to a folder, pictures of the page are written there.
"""

from __future__ import annotations

import base64
import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.editor.conftest import TOKEN

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
try:
    from playwright.sync_api import sync_playwright
except ModuleNotFoundError:
    sync_playwright = None

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sync_playwright is None, reason="no playwright: pip install playwright"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
)
PHOTO = Path(__file__).parents[2] / "examples" / "harbour.jpg"
SHOTS = os.environ.get("CINEGAN_SCREENSHOTS")
SIDE = 960 if SHOTS else 400
PATIENCE = 240_000  # ms: machines that test may be busy
NAMELESS = """() => [...document.querySelectorAll('button, a, input, select, [role=slider], [role=button]')]
  .filter((e) => !(e.matches('[aria-label], [aria-labelledby], [title]') || e.textContent.trim() || e.labels?.length))
  .map((e) => e.outerHTML)"""
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@dataclass
class Editor:
    """A server of its own process, and a page on it."""

    photo: Path
    projects: Path
    page: Any = None
    server: subprocess.Popen[str] | None = None
    address: str = ""
    port: int = 0
    errors: list[str] = field(default_factory=list)

    def start(self, *what: str) -> None:
        command = [sys.executable, "-m", "cinegan_cli", "edit", *what, "--no-browser", "--port", str(self.port)]
        command += ["--token", TOKEN, "--projects", str(self.projects)]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout is not None
        self.address = self.server.stdout.readline().strip()
        self.port = int(self.address.split(":")[2].split("/")[0])

    def kill(self) -> None:
        assert self.server is not None
        assert self.server.stdout is not None
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()
        self.server.stdout.close()

    def open(self, query: str = "") -> None:
        self.page.goto(self.address + query)
        self.page.wait_for_selector("#stage[data-motion]")

    def settle(self) -> None:
        """Wait until all is saved, and the motion is that of what was saved."""
        self.page.wait_for_function(
            "() => document.getElementById('saved').textContent !== 'Saving …'"
            " && !document.querySelector('#stage.busy')",
            polling=100,
        )

    def state(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.page.request.get(f"{self.address}api/state").json()
        return answer

    def edit(self, **parts: Any) -> None:
        answer = self.page.request.put(f"{self.address}api/edits", data=parts)
        assert answer.ok, answer.text()

    def mask(self) -> NDArray[np.uint8]:
        data = self.page.request.get(f"{self.address}api/mask.png").body()
        return np.asarray(Image.open(io.BytesIO(data)))

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a place of the photo, in shares of it, is on the page."""
        to_screen = "({view, project}, p) => view.toScreen(p[0] * view.photo.width, p[1] * view.photo.height)"
        at = self.run(to_screen, [x, y])
        box = self.page.locator("#stage").bounding_box()
        return box["x"] + at["x"], box["y"] + at["y"]

    def drag(self, *places: tuple[float, float], release: bool = True) -> None:
        self.page.mouse.move(*self.place(*places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.place(*place), steps=4)
        if release:
            self.page.mouse.up()

    def run(self, function: str, argument: Any = None) -> Any:
        """`function(app, argument)` in the page, where `app` is what the page's main module exports."""
        return self.page.evaluate(
            f"async (argument) => ({function})(await import('./static/app.js'), argument)", argument
        )

    def shoot(self, name: str) -> None:
        """A picture of the page, where they are wanted."""
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            self.page.wait_for_timeout(1500)
            self.page.screenshot(path=str(Path(SHOTS) / f"{name}.jpg"), type="jpeg", quality=80)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with sync_playwright() as playwright:
        profile = tmp_path_factory.mktemp("profile")
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=list(FLAGS), viewport=WIDE, color_scheme="light"
        )
        context.set_default_timeout(PATIENCE)
        yield context
        context.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """A server with the small harbour open: to import and to look take longest."""
    folder = tmp_path_factory.mktemp("editor")
    photo = folder / "harbour.png"
    with Image.open(PHOTO) as whole:
        whole.resize((SIDE, round(SIDE * whole.height / whole.width)), Image.Resampling.LANCZOS).save(photo)
    editor = Editor(photo, folder / "projects")
    editor.start(str(photo))
    yield editor
    editor.kill()


@pytest.fixture
def editor(browser: Any, served: Editor) -> Iterator[Editor]:
    """A page of that server; nothing painted, no marks, a loop of one second."""
    served.page, served.errors = browser.new_page(), []
    served.page.on("pageerror", lambda error: served.errors.append(str(error)))
    served.page.on("console", lambda message: _is_fault(message) and served.errors.append(message.text))
    for name in ("mask", "freeze"):
        assert served.page.request.delete(f"{served.address}api/{name}").ok
    served.edit(settings={"seconds": 1, "fps": 12}, arrows=[], anchors=[], kinds=[])
    yield served
    served.page.close()


def _is_fault(message: Any) -> bool:
    """Whether the console tells of one; a motion that an edit overtook (409) is none."""
    return message.type == "error" and "409" not in message.text


def test_from_a_photo_to_a_corrected_loop(editor: Editor) -> None:
    editor.open()
    _first_view(editor)
    _painting(editor)
    _marks(editor)
    _tools(editor)
    _looks(editor)
    _export(editor)
    _dark_and_narrow(editor)
    assert editor.errors == []


def _first_view(editor: Editor) -> None:
    """Kinds are named, and the preview moves by itself."""
    page = editor.page
    page.wait_for_selector("#truth video, #truth img")
    assert "sky" in page.locator("#legend").inner_text()
    loop = editor.run("({stage}) => stage.loop")
    page.wait_for_function("(before) => import('./static/app.js').then(({stage}) => stage.loop !== before)", arg=loop)
    editor.shoot("first-view")
    page.keyboard.press("p")  # the rest is quicker while it stands still, and nothing renders
    page.locator("#auto").uncheck()
    page.locator("#stage").focus()


def _painting(editor: Editor) -> None:
    """What is erased stands still, undone it moves again, and both are saved."""
    page, before = editor.page, editor.mask()
    height, width = before.shape
    spot = round(0.12 * height), round(0.5 * width)
    assert before[spot] > 200
    page.keyboard.press("e")
    editor.drag((0.3, 0.12), (0.7, 0.12), release=False)
    editor.shoot("painting")
    page.mouse.up()
    editor.settle()
    assert editor.state()["hand"]["mask"]
    assert editor.mask()[spot] == 0
    np.testing.assert_array_equal(editor.mask()[height // 4 :], before[height // 4 :])
    page.keyboard.press("Control+z")
    editor.settle()
    assert not editor.state()["hand"]["mask"]
    np.testing.assert_array_equal(editor.mask(), before)
    page.keyboard.press("Control+Shift+z")
    editor.settle()
    assert editor.mask()[spot] == 0


def _marks(editor: Editor) -> None:
    """Arrows are dragged, moved and removed; an anchor is set by the keyboard, a kind by a click."""
    page, (width, height) = editor.page, _size(editor)
    page.keyboard.press("a")
    editor.drag((0.3, 0.2), (0.45, 0.25))
    editor.drag((0.6, 0.75), (0.7, 0.72))
    editor.settle()
    first, second = editor.state()["arrows"]
    assert first == pytest.approx([0.3 * width, 0.2 * height, 0.45 * width, 0.25 * height], abs=2)
    page.locator("#marks [data-part=arrows]").nth(1).focus()
    page.keyboard.press("ArrowRight")
    editor.settle()
    assert editor.state()["arrows"][1][2] > second[2]
    page.locator("#stage").focus()
    page.keyboard.press("n")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("k")
    page.mouse.click(*editor.place(0.8, 0.6))
    page.get_by_role("menuitem", name="sea").click()
    editor.settle()
    state = editor.state()
    assert len(state["anchors"]) == 1
    assert [kind["kind"] for kind in state["kinds"]] == ["sea"]
    page.keyboard.press("a")
    editor.shoot("arrows")
    for _ in range(3):
        page.keyboard.press("Control+z")
    editor.settle()
    state = editor.state()
    assert (state["anchors"], state["kinds"]) == ([], [])
    np.testing.assert_allclose(state["arrows"], [first, second], atol=0.2)


def _tools(editor: Editor) -> None:
    """Brush size, freezing with a pen, direction, cycles of a kind, light, zoom by fingers, before and after."""
    page = editor.page
    page.keyboard.press("z")
    size = page.locator("[data-option=size]")
    before = float(size.input_value())
    page.mouse.move(*editor.place(0.5, 0.5))
    page.mouse.wheel(0, -300)
    page.wait_for_function("(before) => document.querySelector('[data-option=size]').value > before", arg=before)
    page.keyboard.press("s")
    assert page.locator("[data-option=snap]").is_checked()
    page.keyboard.press("s")
    tablet = page.context.new_cdp_session(page)
    for kind, x in (("mousePressed", 0.2), ("mouseMoved", 0.3), ("mouseReleased", 0.3)):
        at = dict(zip("xy", editor.place(x, 0.2), strict=True))
        pen = {"pointerType": "pen", "force": 0.5, "button": "left", "buttons": 1, "clickCount": 1}
        tablet.send("Input.dispatchMouseEvent", {"type": kind, **at, **pen})
    page.locator("#dial").focus()
    page.keyboard.press("ArrowLeft")
    page.locator("#stage").focus()
    page.keyboard.press("k")
    page.mouse.click(*editor.place(0.5, 0.3))
    page.locator("#kind-menu select").select_option("6")
    editor.shoot("kind")
    page.keyboard.press("Escape")
    page.evaluate("() => { document.getElementById('weather').open = true; }")
    page.locator("#light").select_option("sunset")
    editor.settle()
    state = editor.state()
    assert state["hand"]["freeze"]
    assert state["settings"]["direction"] == "5deg"
    assert state["settings"]["cycles"] == "auto,sky=6"
    assert (state["settings"]["backbone"], state["settings"]["light"]) == ("deeplandscape", "sunset")
    for _ in range(4):
        page.locator("#undo").click()
    editor.settle()
    state = editor.state()
    assert (state["hand"]["freeze"], state["settings"]["direction"]) == (False, None)
    assert (state["settings"]["cycles"], state["settings"]["backbone"]) == ("auto", "pyramid")
    page.locator("#stage").focus()
    page.keyboard.press("1")
    assert page.locator("#zoom-level").inner_text() == "100 %"
    fingers = [dict(zip("xy", editor.place(x, 0.5), strict=True)) for x in (0.4, 0.6, 0.3, 0.7)]
    for kind, points in (("touchStart", fingers[:2]), ("touchMove", fingers[2:]), ("touchEnd", [])):
        tablet.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert editor.run("({view}) => view.scale * devicePixelRatio") > 1.3
    page.keyboard.press("0")
    page.keyboard.press("b")
    assert page.locator("#before").get_attribute("aria-pressed") == "true"
    page.keyboard.press("b")
    assert page.evaluate(NAMELESS) == []


def _looks(editor: Editor) -> None:
    page = editor.page
    page.locator("#looks label").nth(2).click()
    editor.settle()
    chosen = editor.state()["settings"]["target"]
    assert chosen == page.locator("#looks input:checked").get_attribute("value")
    page.wait_for_function("() => import('./static/app.js').then(({stage}) => Boolean(stage.preview.look))")
    editor.shoot("looks")


def _export(editor: Editor) -> None:
    """What was estimated is made, and can be downloaded."""
    page = editor.page
    page.keyboard.press("Control+e")
    page.locator("#formats label", has_text="gif").click()
    page.wait_for_function("() => document.getElementById('estimate').textContent.includes('frames')", polling=200)
    page.wait_for_function("() => document.getElementById('command').textContent.startsWith('cinegan ')", polling=200)
    page.locator("#start").click()
    link = page.locator("#jobs a")
    link.wait_for()
    editor.shoot("export")
    with page.expect_download() as download:
        link.click()
    with Image.open(download.value.path()) as made:
        assert made.format == "GIF"
        assert getattr(made, "n_frames", 1) == 12
    page.keyboard.press("Escape")


def _dark_and_narrow(editor: Editor) -> None:
    page = editor.page
    ground = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ground) != light
    editor.shoot("dark")
    page.set_viewport_size(NARROW)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"]
    for tool in page.locator("#tools button").all():
        box = tool.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= NARROW["width"]
    editor.shoot("phone")
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")


def test_the_preview_is_the_render(editor: Editor) -> None:
    """On short motion, within 3 levels on average where things move; and it does move."""
    from cinegan_cli.editor.project import read_project
    from cinegan_cli.pipeline import render
    from cinegan_cli.scene import prepare

    for water in ("flow", "ripple"):
        editor.edit(settings={"seconds": 2, "fps": 6, "water": water})
        editor.open("?phase=0")
        (folder,) = (path for path in editor.projects.iterdir() if not path.name.startswith("."))
        project = read_project(folder)
        config = project.config({"max_side": SIDE})
        scene = prepare(project.photo_path, config)
        frames = list(render(scene, config))
        moving = scene.mask.alpha.numpy() > 0.5
        for t in (0, 1, len(frames) // 2, len(frames) - 2):
            shown = _pixels(editor, t / len(frames), frames[t].shape[:2])
            apart = np.abs(shown.astype(float) - frames[t])
            still = np.abs(frames[0].astype(float) - frames[t])
            assert apart[moving].mean() <= 3
            assert t != len(frames) // 2 or apart[moving].mean() < 0.8 * still[moving].mean()


def test_nothing_is_lost_when_the_server_is_killed(editor: Editor) -> None:
    editor.open("?phase=0")
    page = editor.page
    page.keyboard.press("a")
    editor.drag((0.3, 0.2), (0.45, 0.25))
    page.keyboard.press("m")
    editor.drag((0.2, 0.9), (0.3, 0.9))
    editor.settle()
    before, mask = editor.state(), editor.mask()
    editor.kill()
    page.keyboard.press("a")
    editor.drag((0.6, 0.2), (0.7, 0.2))  # nobody is there to save it
    page.wait_for_selector("#status.trouble")
    editor.start()
    page.wait_for_function("() => document.getElementById('saved').textContent === 'Saved'", polling=200)
    editor.open("?phase=0")
    after = editor.state()
    assert after["arrows"][0] == before["arrows"][0]
    assert len(after["arrows"]) == 2
    np.testing.assert_array_equal(editor.mask(), mask)
    assert editor.page.locator("#marks [data-part=arrows]").count() == 2


def _size(editor: Editor) -> tuple[int, int]:
    photo = editor.state()["photo"]
    return photo["width"], photo["height"]


def _pixels(editor: Editor, phase: float, size: tuple[int, int]) -> NDArray[np.uint8]:
    """What the preview's shaders draw at that phase, RGB at working size."""
    data = editor.run(
        """({stage}, phase) => {
          const bytes = stage.preview.pixels(phase);
          let text = '';
          for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
          return btoa(text);
        }""",
        phase,
    )
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(*size, 4)[..., :3]

"""The editor as a newcomer uses it: photo, one correction, two arrows, export. Clicks, times, memory.

    python examples/bench_editor.py --megapixels 12 [--gpu] [--shots FOLDER]

Needs `pip install "cinegan[edit]" playwright`, Chromium, and Linux for the memory. Without --gpu SwiftShader draws: the
worst case.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

SOFTWARE = ("--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
PATIENCE = 600_000  # ms
RECORD = """async () => {
  const { stage } = await import('./static/app.js');
  const paint = stage.paint.bind(stage);
  window.frames_at = [];
  stage.paint = (...how) => { window.frames_at.push(performance.now()); paint(...how); };
}"""


class Walk:
    """Steps of a user, with the clicks and seconds that each takes."""

    def __init__(self, page: Page, server: int, shots: Path | None) -> None:
        self.page, self.server, self.shots, self.clicks, self.began = page, server, shots, 0, time.perf_counter()

    def step(self, what: str, clicks: int, do: Callable[[], Any]) -> None:
        """Do it, and say what it took."""
        began, busy = time.perf_counter(), processor(self.server)
        do()
        self.clicks += clicks
        took, cost = time.perf_counter() - began, processor(self.server) - busy
        print(f"{what:42} {clicks:2} clicks  {took:6.1f} s, of the server's processor {cost:5.1f} s", flush=True)
        if self.shots:
            self.shots.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(self.shots / f"{re.sub('[^a-z]+', '-', what.lower())}.jpg"), type="jpeg")

    def drag(self, *places: tuple[float, float], steps: int = 12) -> None:
        """Press, draw and release, at places in shares of the photo."""
        for k, (x, y) in enumerate(places):
            script = "async (p) => (await import('./static/app.js')).view.toScreen(p[0], p[1])"
            size = self.page.evaluate("async () => (await import('./static/app.js')).view.photo")
            at = self.page.evaluate(script, [x * size["width"], y * size["height"]])
            box = self.page.locator("#stage").bounding_box() or {"x": 0, "y": 0}
            self.page.mouse.move(box["x"] + at["x"], box["y"] + at["y"], steps=steps if k else 1)
            if k == 0:
                self.page.mouse.down()
        self.page.mouse.up()

    def settled(self) -> None:
        """Wait until all is saved and the motion is that of what was saved."""
        self.page.wait_for_function(
            "() => document.getElementById('saved').textContent === 'Saved' && !document.querySelector('#stage.busy')",
            polling=100,
        )


def processor(process: int) -> float:
    """Seconds of a processor that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(needle: str) -> tuple[float, float]:
    """MB that the largest process with `needle` in its command line holds now, and held at most."""
    now = most = 0.0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            words = (status.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            kept = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+)", status.read_text()))
        except OSError:
            continue
        if needle in words and kept:
            now, most = max(now, int(kept["VmRSS"]) / 1e3), max(most, int(kept["VmHWM"]) / 1e3)
    return now, most


def walk(page: Page, server: int, photo: Path, shots: Path | None) -> None:
    """From the empty page to a downloaded loop."""
    steps = Walk(page, server, shots)

    def opened() -> None:
        page.set_input_files("#open", photo)
        page.wait_for_selector("#stage[data-motion]")

    steps.step("Open a photo, until it moves", 2, opened)
    page.wait_for_timeout(3000)
    page.evaluate(RECORD)
    page.get_by_role("button", name="Eraser").click()
    page.evaluate("() => { window.frames_at = []; }")
    steps.step("Eraser, one stroke", 2, lambda: steps.drag((0.2, 0.2), (0.5, 0.25), (0.8, 0.2), (0.5, 0.15), steps=10))
    frames = page.evaluate("() => window.frames_at")
    gaps = [after - before for before, after in itertools.pairwise(frames)]
    print(f"    frames: median {statistics.median(gaps):.0f} ms, worst {max(gaps):.0f} ms, {len(gaps)} of them")
    steps.step("saved, and its motion found", 0, steps.settled)
    page.get_by_role("button", name="Arrow", exact=False).first.click()

    def arrows() -> None:
        steps.drag((0.3, 0.3), (0.4, 0.32))
        steps.drag((0.6, 0.7), (0.7, 0.68))

    steps.step("Arrow, two drags", 3, arrows)
    steps.step("saved, and its motion found again", 0, steps.settled)

    heap = page.evaluate("() => performance.memory.usedJSHeapSize / 1e6")
    print(f"    memory: scripts {heap:.0f} MB", end="")
    for what, needle in (
        ("server", "cinegan_cli edit"),
        ("page", "--type=renderer"),
        ("graphics", "--type=gpu-process"),
    ):
        print("; {} {:.0f} MB, {:.0f} at most".format(what, *resident(needle)), end="")
    print(flush=True)

    def exported() -> None:
        page.locator("#export").click()
        page.locator("#presets label", has_text="web").click()
        page.locator("#start").click()
        with page.expect_download() as download:
            page.locator("#jobs a").click()
        print(f"    {download.value.suggested_filename}: {Path(download.value.path()).stat().st_size / 1e6:.1f} MB")

    steps.step("Export, web, Export, Download", 4, exported)
    print(f"{'in all':42} {steps.clicks:2} clicks  {time.perf_counter() - steps.began:6.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, default=Path(__file__).with_name("harbour.jpg"))
    parser.add_argument("--megapixels", type=float, default=12.0)
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--shots", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        with Image.open(arguments.photo) as small:
            factor = (arguments.megapixels * 1e6 / (small.width * small.height)) ** 0.5
            small.resize((round(small.width * factor), round(small.height * factor))).save(photo, quality=90)
        command = [sys.executable, "-m", "cinegan_cli", "edit", "--no-browser", "--projects", f"{folder}/projects"]
        began = time.perf_counter()
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        print(f"{'cinegan edit':42}  1 command {time.perf_counter() - began:5.1f} s")
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        flags = ["--no-sandbox", *(() if arguments.gpu else SOFTWARE)]
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=flags)
                page = browser.new_page(viewport={"width": 1280, "height": 800})
                page.set_default_timeout(PATIENCE)
                page.goto(address)
                walk(page, server.pid, photo, arguments.shots)
                browser.close()
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()

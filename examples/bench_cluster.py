"""Many photos on one machine and on a local Ray cluster of three, of which one is killed meanwhile: figures, and proof.

python examples/bench_cluster.py PHOTOS --work FOLDER [--count 60] [--options "--max-side 320 --seconds 1"]

Needs `cinegan[ray]` and `moto[server]`. Two broken photos are added. Three runs: one process; three nodes of one core
each, photos and loops in a folder; the same with both at s3:// of a local server. A node is killed (SIGKILL) when a
third of the loops is there. Then all files of both must have the SHA-256 of those of the first run, and the failures
its words. CPU seconds are those of all processes, by /proc once a second; wall time says little on a busy machine.
"""

import argparse
import hashlib
import logging
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
KEYS = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "us-east-1"}
BUCKET = "s3://show/"
TICKS = os.sysconf("SC_CLK_TCK")


class CpuMeter:
    """CPU seconds of this process's descendants while inside, but for ffmpeg's own entries: its parents count them."""

    def __enter__(self) -> "CpuMeter":
        self._before = descendants()
        self._last = dict(self._before)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.seconds = sum(ticks - self._before.get(pid, 0) for pid, ticks in self._last.items()) / TICKS

    def _watch(self) -> None:
        while not self._ended.wait(1):
            self._last |= descendants()


def descendants() -> dict[int, int]:
    """Ticks of every process below this one, waited children included."""
    found: dict[int, int] = {}
    waiting = [os.getpid()]
    while waiting:
        pid = waiting.pop()
        try:
            name, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
        if pid != os.getpid() and "ffmpeg" not in name:
            found[pid] = sum(map(int, rest.split()[11:15]))
    return found


def prepare(source: Path, work: Path, count: int) -> None:
    """work/photos: the first photos of a folder, a broken one and one that is none."""
    shutil.rmtree(work, ignore_errors=True)
    (work / "photos").mkdir(parents=True)
    photos = sorted(path for path in source.iterdir() if path.suffix in (".jpg", ".png"))[:count]
    for photo in photos:
        shutil.copyfile(photo, work / "photos" / photo.name)
    (work / "photos/broken.jpg").write_bytes(photos[0].read_bytes()[:5000])
    (work / "photos/letter.png").write_text("no photo")


def animate(work: Path, arguments: str, environment: dict[str, str], meanwhile: Callable[[], None]) -> dict[str, Any]:
    """Run the command; its figures, and the failures it names."""
    command = [sys.executable, "-m", "cinegan_cli", "animate", "--quiet", *shlex.split(arguments)]
    started = time.perf_counter()
    with (
        CpuMeter() as meter,
        subprocess.Popen(
            command, cwd=work, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
        ) as process,
    ):
        while process.poll() is None:
            meanwhile()
            time.sleep(0.5)
        assert process.stderr is not None
        said = process.stderr.read()
    print(said, file=sys.stderr)
    return {
        "cpu": meter.seconds,
        "wall": time.perf_counter() - started,
        "status": process.returncode,
        "failures": said.strip().splitlines()[-1].replace(BUCKET, ""),
    }


def sums(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Nodes:
    """A local cluster of three nodes, one core each, of which one is killed when enough loops are there."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        for _ in range(2):
            self.cluster.add_node(num_cpus=1)
        self.environment = {"RAY_ADDRESS": self.cluster.address}
        self.killed_at = 0

    def kill_when(self, there: Callable[[], int], wanted: int) -> Callable[[], None]:
        """A function that kills the last node once so many loops are there."""

        def meanwhile() -> None:
            if not self.killed_at and there() >= wanted:
                self.killed_at = there()
                self.cluster.remove_node(self.cluster.worker_nodes.copy().pop(), allow_graceful=False)

        return meanwhile


def show_folder(work: Path, options: str, count: int) -> dict[str, Any]:
    nodes = Nodes()
    out = work / "cluster"
    kill = nodes.kill_when(lambda: len(list(out.glob("*.mp4"))), count // 3)
    figures = animate(work, f"photos --out cluster --cluster auto {options}", nodes.environment, kill)
    nodes.cluster.shutdown()
    return figures | {"killed at": nodes.killed_at}


def show_s3(work: Path, options: str, count: int) -> dict[str, Any]:
    import fsspec
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    os.environ.update(KEYS, AWS_ENDPOINT_URL=f"http://{host}:{port}")
    storage = fsspec.filesystem("s3", use_listings_cache=False)
    storage.mkdir("show")
    storage.put(f"{work}/photos/", f"{BUCKET}photos/", recursive=True)
    nodes = Nodes()
    kill = nodes.kill_when(lambda: len(storage.glob(f"{BUCKET}loops/*.mp4")), count // 3)
    figures = animate(work, f"{BUCKET}photos --out {BUCKET}loops --cluster auto {options}", nodes.environment, kill)
    nodes.cluster.shutdown()
    storage.get(f"{BUCKET}loops/", f"{work}/s3/", recursive=True)
    server.stop()
    return figures | {"killed at": nodes.killed_at}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--options", default="--max-side 320 --seconds 1")
    given = parser.parse_args()
    os.environ.update(QUIET)
    root = str(Path(__file__).resolve().parents[1])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    work = given.work.resolve()
    prepare(given.photos, work, given.count)
    print("| run | loops | killed at | status | CPU s | CPU s/photo | wall s | photos/h | equal |\n|" + "---|" * 9)
    first: dict[str, Any] = {}
    for name, folder, show in (
        ("one process", "single", None),
        ("3 nodes, folder", "cluster", show_folder),
        ("3 nodes, s3://", "s3", show_s3),
    ):
        if show is None:
            figures = animate(work, f"photos --out single {given.options}", {}, lambda: None)
        else:
            figures = show(work, given.options, given.count)
        made = sums(work / folder)
        loops = sum(file.endswith(".mp4") for file in made)
        first = first or {"made": made, **figures}
        equal = made == first["made"] and figures["failures"] == first["failures"]
        print(
            f"| {name} | {loops} | {figures.get('killed at', '')} | {figures['status']} | {figures['cpu']:.0f} | "
            f"{figures['cpu'] / loops:.2f} | {figures['wall']:.0f} | {3600 * loops / figures['wall']:.0f} | "
            f"{'yes' if equal else 'NO'} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

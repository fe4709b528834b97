"""Ray itself, in processes of its own: two small workers here, a cluster of which a machine dies, one behind a port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

import cinegan_cli
from cinegan_cli.errors import ExitStatus
from tests.small_scene import MOTION, QUICK, Outcome, invoke, tree

# Ray is not imported here: it would keep threads and settings for all tests that follow
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason='Ray is not installed: pip install "cinegan[ray]"'),
    pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc"),
]

OPTIONS = f"--mask mask.png {MOTION} {QUICK}"
STARTS = 3  # Ray gives up after half a minute, which a busy machine may need
Capture = pytest.CaptureFixture[str]


def start(arguments: str, **environment: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(Path(cinegan_cli.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-m", "cinegan_cli", "animate", *arguments.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment},
    )


def family(process: int) -> set[int]:
    """A process and all below it."""
    found, waiting = set(), [process]
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                waiting += [int(child) for child in children.read_text().split()]
    return found


def sockets(processes: set[int]) -> dict[str, tuple[str, str, str]]:
    """The TCP sockets of the processes: local address, remote address, state, in the system's hexadecimal."""
    inodes = set()
    for pid in processes:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(OSError):
                inodes.add(os.readlink(link))
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {line[9]: (line[1], line[2], line[3]) for line in lines if f"socket:[{line[9]}]" in inodes}


def is_this_machine(address: str) -> bool:
    host = address.partition(":")[0]
    return host.endswith("0100007F") or host == "00000000000000000000000001000000"


def require_same(status: int, complaints: str, folder: Path, single: Outcome) -> None:
    """The outcome and others/ are those of one process, which made loops/; what differs is told in full."""
    assert status == single.status, complaints
    assert complaints == single.stderr, f"on stderr {complaints!r}\ninstead of {single.stderr!r}"
    ours, theirs = tree(folder / "loops"), tree(folder / "others")
    assert sorted(name for name in ours.keys() | theirs.keys() if ours.get(name, 0) != theirs.get(name, 0)) == []


def test_workers_here_make_the_same_loops_and_talk_to_nobody(folder: Path, capfd: Capture) -> None:
    single = invoke(f"animate photos {OPTIONS} --out loops", capfd)
    (folder / "home").mkdir()
    process = start(f"photos {OPTIONS} --out others --cluster local", HOME=str(folder / "home"))
    seen: dict[str, tuple[str, str, str]] = {}
    while process.poll() is None:
        seen |= sockets(family(process.pid))
        time.sleep(0.1)
    said, complaints = process.communicate()
    require_same(process.returncode, complaints, folder, single)
    assert "raylet" not in said
    assert len(seen) > 5
    elsewhere = [found for found in seen.values() if not is_this_machine(found[0])]
    elsewhere += [found for found in seen.values() if found[2] == "01" and not is_this_machine(found[1])]
    assert elsewhere == [], f"sockets: {elsewhere}"
    assert not (folder / "home/.ray").exists()  # a token there would be demanded by every cluster that starts later


def test_an_interrupt_ends_everything_and_leaves_nothing(folder: Path) -> None:
    process = start(f"photos {OPTIONS} --out others --cluster local".replace(QUICK, "--seconds 60 --max-side 64"))
    deadline = time.monotonic() + 240
    while not list((folder / "others").rglob("*.part*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    processes = family(process.pid)
    process.send_signal(signal.SIGTERM)  # a test run in the background hands down an ignored SIGINT
    _, complaints = process.communicate(timeout=120)
    assert process.returncode == ExitStatus.INTERRUPTED
    assert complaints.splitlines()[-1] == "cinegan: interrupted; nothing unfinished was left behind"
    assert list(folder.rglob("*.part*")) == []
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}/exe").exists() for pid in processes) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [pid for pid in processes if Path(f"/proc/{pid}/exe").exists()] == []


def begin(arguments: list[str], **environment: str) -> subprocess.Popen[str]:
    path = str(Path(cinegan_cli.__file__).parents[1])
    settings = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", **environment}
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **settings},
    )


@pytest.fixture
def killing() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process with a cluster of two machines, of which it kills one at the first line that it reads; the address."""
    script = (
        "import sys\n"
        "from ray.cluster_utils import Cluster\n"
        "cluster = Cluster(initialize_head=True, head_node_args={'num_cpus': 1})\n"
        "node = cluster.add_node(num_cpus=1)\n"
        "print('address', cluster.address, flush=True)\n"
        "sys.stdin.readline()\n"
        "cluster.remove_node(node, allow_graceful=False)\n"
        "sys.stdin.readline()\n"
        "cluster.shutdown()\n"
    )
    for _ in range(STARTS):
        with begin(["-c", script]) as process:
            assert process.stdout is not None
            address = next((line.split()[1] for line in process.stdout if line.startswith("address")), None)
            if address is not None:
                yield process, address
                process.communicate("\n\n")
                return
    pytest.fail("no cluster has started")


def test_a_machine_that_dies_loses_nothing(
    folder: Path, killing: tuple[subprocess.Popen[str], str], capfd: Capture
) -> None:
    owner, address = killing
    single = invoke(f"animate photos {OPTIONS} --out loops", capfd)
    process = start(f"photos {OPTIONS} --out others --cluster auto", RAY_ADDRESS=address)
    while process.poll() is None and not list((folder / "others").rglob(".*.part*")):
        time.sleep(0.05)
    assert owner.stdin is not None
    owner.stdin.write("\n")
    owner.stdin.flush()
    _, complaints = process.communicate(timeout=400)
    require_same(process.returncode, complaints, folder, single)


@pytest.fixture
def head(folder: Path) -> Iterator[tuple[str, str]]:
    """The ray:// address of a head started by hand, and the home of both sides, whose token it demands."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = folder / "home"
    (home / ".ray").mkdir(parents=True)
    (home / ".ray/auth_token").write_text("0123456789abcdef" * 4)
    options = f"--head --block --port 0 --ray-client-server-port {port} --num-cpus 2 --include-dashboard=false"
    started: set[int] = set()
    try:
        for _ in range(STARTS):
            process = begin(["-m", "ray.scripts.scripts", "start", *options.split()], HOME=str(home))
            while process.poll() is None and not listens(port):
                started |= family(process.pid)
                time.sleep(0.5)
            if process.poll() is None:
                started |= family(process.pid)
                break
        yield f"ray://127.0.0.1:{port}", str(home)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=60)
        for pid in started:
            with suppress(OSError):
                if b"ray" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def test_a_head_behind_a_port_that_demands_a_token(folder: Path, head: tuple[str, str], capfd: Capture) -> None:
    pytest.importorskip("grpc", reason='pip install "ray[client]"')
    address, home = head
    single = invoke(f"animate photos {OPTIONS} --out loops", capfd)
    process = start(f"photos {OPTIONS} --out others --cluster {address}", HOME=home)
    _, complaints = process.communicate(timeout=400)
    require_same(process.returncode, complaints, folder, single)


@pytest.mark.parametrize("address", ["auto", "ray://127.0.0.1:9"])
def test_a_cluster_that_is_not_there_is_one_line(address: str, folder: Path) -> None:
    process = start(f"photos {OPTIONS} --out others --cluster {address}", RAY_ADDRESS="127.0.0.1:9")
    said, complaints = process.communicate(timeout=300)
    assert (process.returncode, said) == (ExitStatus.USAGE, "")
    assert len(complaints.splitlines()) == 1
    assert complaints.startswith(f"cinegan: --cluster {address}: cannot be reached")

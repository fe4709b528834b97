"""How long `--help` of every command takes, in a process of its own: it must answer in under 0.5 s, without torch.

python examples/bench_help.py
"""

from __future__ import annotations

import subprocess
import sys
import time

from cinegan_cli.cli.main import COMMANDS

RUNS = 5
LIMIT = 0.5  # s


def seconds(arguments: list[str]) -> float:
    """Of Python with these arguments, the best of a few runs: the others wait for the disk or for other programs."""
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    """Print one line for Python alone, and one for each command; exit status 1 when one is too slow."""
    print(f"{'python -c pass':32}{seconds(['-c', 'pass']) * 1000:6.0f} ms")
    slow = 0
    for name in ("", *COMMANDS, "train mask"):
        took = seconds(["-m", "cinegan_cli", *name.split(), "--help"])
        slow += took >= LIMIT
        print(f"cinegan {name + ' ' if name else ''}--help".ljust(32) + f"{took * 1000:6.0f} ms")
    sys.exit(bool(slow))


if __name__ == "__main__":
    main()

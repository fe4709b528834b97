"""Run a folder of cases, each a folder with a bash script `cmd`, and print what is seen.

    python examples/run_cases.py CASES [NAME ...] > cases.txt

Cases are copied to a temporary folder first; `cinegan` and `python` are those on PATH. A case that needs an ordinary
user (a folder that may not be entered) is prepared and run as one, where this is run by root.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ORDINARY = 65534  # uid and gid of "nobody"


def run_case(case: Path) -> str:
    """What the case's `cmd` prints, and files that are new."""
    before = {path for path in case.rglob("*") if path.is_file()}
    command = ["bash", "cmd"]
    if (case / "secret").is_dir() and os.getuid() == 0:
        make_unreachable(case)
        command = ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups", *command]
    done = subprocess.run(command, cwd=case, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
    new = sorted(str(path.relative_to(case)) for path in case.rglob("*") if path.is_file() and path not in before)
    said = done.stdout.decode(errors="replace").strip()
    return f"{said}\nnew files: {', '.join(new) or 'none'}"


def make_unreachable(case: Path) -> None:
    """A photo that is a link into a folder that ordinary users may not enter."""
    photo = case / "photos" / "aaa.jpg"
    photo.unlink(missing_ok=True)
    photo.symlink_to("../secret/calm.jpg")
    for path in (case, *case.rglob("*")):
        os.chown(path, ORDINARY, ORDINARY, follow_symlinks=False)
        if path.is_dir():
            path.chmod(0o755)
    os.chown(case / "secret", 0, 0)
    (case / "secret").chmod(0o700)
    case.parent.chmod(0o755)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("names", nargs="*", help="only cases whose names begin so")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for source in sorted(path.parent for path in args.cases.glob("*/cmd")):
            if args.names and not source.name.startswith(tuple(args.names)):
                continue
            case = Path(shutil.copytree(source, Path(folder) / source.name, symlinks=True))
            print(f"== {source.name}\n{run_case(case)}\n", flush=True)


if __name__ == "__main__":
    main()

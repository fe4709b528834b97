"""Hash the frames that an installed `cinegan` renders, for comparing two versions or two numbers of threads.

    python examples/frame_hashes.py --cinegan venv/bin/cinegan --threads 1,2,3 PHOTO|FOLDER ... --seconds 0.4 --fps 10

A FOLDER with photo.png, mask.png and motion.npy is rendered with those; a photo with nothing given. Options that are
not known here go to `cinegan animate`. Exit status 1 when the numbers of threads do not all give the same frames.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import tempfile
from pathlib import Path

import cv2


def inputs_of(path: Path) -> list[str]:
    """Arguments for one photo, or for a folder of photo, mask and motion."""
    if not path.is_dir():
        return [str(path)]
    return [str(path / "photo.png"), "--mask", str(path / "mask.png"), "--motion", str(path / "motion.npy")]


def frames_hash(folder: Path) -> tuple[int, str]:
    """Number of frames and the SHA-256 of all their pixels, in order."""
    digest = hashlib.sha256()
    files = sorted(folder.glob("*.png"))
    for file in files:
        picture = cv2.imread(str(file))
        digest.update(str(picture.shape).encode() + picture.tobytes())
    return len(files), digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--cinegan", default="cinegan", help="the command to run")
    parser.add_argument("--threads", default="1", help="one number, or several: 1,2,3")
    args, rest = parser.parse_known_args()
    alike = True
    for path in args.paths:
        digests = set()
        for threads in args.threads.split(","):
            with tempfile.TemporaryDirectory() as folder:
                out = ["--out", f"{folder}/f/%04d.png", "--no-sidecar", "--threads", threads, "--quiet"]
                subprocess.run([args.cinegan, "animate", *inputs_of(path), *out, *rest], check=True)
                count, digest = frames_hash(Path(folder) / "f")
            digests.add(digest)
            print(path.name, threads, count, digest, flush=True)
        alike = alike and len(digests) == 1
    raise SystemExit(0 if alike else 1)


if __name__ == "__main__":
    main()

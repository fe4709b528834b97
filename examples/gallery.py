"""Make the loops of docs/gallery.md with the commands that stand there: python examples/gallery.py [NAME ...]"""

import os
import re
import shlex
import sys
from pathlib import Path

from cinegan_cli.cli.main import run

ROOT = Path(__file__).parents[1]


def main() -> None:
    os.chdir(ROOT)
    page = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    for line in re.findall(r"^cinegan (.+)$", page, re.MULTILINE):
        words = shlex.split(line)
        if len(sys.argv) == 1 or Path(words[-1]).stem in sys.argv[1:]:
            run([*words, "--overwrite", "--no-sidecar"])


if __name__ == "__main__":
    main()

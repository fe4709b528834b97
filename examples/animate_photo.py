"""The whole tool as a library: python examples/animate_photo.py [PHOTO] [LOOP.mp4]"""

import sys

from cinegan_cli import animate

photo = sys.argv[1] if len(sys.argv) > 1 else "examples/harbour.jpg"
loop = sys.argv[2] if len(sys.argv) > 2 else "loop.mp4"

summary = animate(photo, out=loop, seconds=4, speed=1.0, overwrite=True)

print(f"{loop}: {summary.frames} frames of {summary.size[0]}x{summary.size[1]} in {summary.took:.1f} s")
print(f"seam {summary.loop.seam:.2f} of a normal step; the mask was {summary.stages['mask']}")

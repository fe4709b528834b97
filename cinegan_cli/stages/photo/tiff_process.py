"""A program: decodes the TIFF file named in its arguments (or "-", standard input) to its standard output.

It runs as a process of its own because libtiff, in Pillow as in OpenCV, writes its complaints about damaged files
straight to file descriptor 2, which belongs to the whole process and not to the thread that decodes.

One line of JSON comes first: `error`, or `mode` and `size` of the upright picture whose bytes follow, or `shape` of
uint16 [h, w, c] in R, G, B, A order where asked for ("deep"). Imports nothing of this package, so that it starts fast.
"""

from __future__ import annotations

import io
import json
import sys
import warnings


def main(path: str, deep: bool) -> None:
    import numpy as np
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the caller has looked at the size
    data = sys.stdin.buffer.read() if path == "-" else None
    try:
        with Image.open(path if data is None else io.BytesIO(data), formats=["TIFF"]) as image:
            image.load()
            header, content = {"mode": image.mode, "size": image.size}, b""
            if not deep:
                content = image.tobytes()
            size = image.size
        if deep:  # Pillow reduces 16-bit colour to 8 bits, OpenCV does not; but it makes a picture of damaged data too
            import cv2

            raw = np.fromfile(path, np.uint8) if data is None else np.frombuffer(data, np.uint8)
            values = cv2.imdecode(raw, cv2.IMREAD_UNCHANGED)
            if values is None or values.dtype != np.uint16 or values.shape[1::-1] != size:
                raise ValueError("its 16-bit values cannot be decoded")
            values = values.reshape(*values.shape[:2], -1)
            order = {1: [0], 2: [0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[values.shape[2]]
            values = np.ascontiguousarray(values[:, :, order], np.uint16)
            header, content = {"shape": values.shape}, values.tobytes()
    except Exception as error:
        header, content = {"error": str(error) or type(error).__name__}, b""
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n" + content)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1], deep="deep" in sys.argv[2:])

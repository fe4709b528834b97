"""yuv420: a frame as encoders take it."""

from __future__ import annotations

import torch
from torch import Tensor

from cinegan_cli.ops import _native
from cinegan_cli.ops._checks import check_device, check_tensor
from cinegan_cli.ops._native import Backend, extension, runs_native
from cinegan_cli.ops.yuv_reference import yuv420_reference


def yuv420(frame: Tensor, *, backend: Backend = "auto") -> Tensor:
    """A frame in BT.709, limited range, 4:2:0; what ffmpeg calls yuv420p.

        Y  = 16 + 219 (0.2126 R + 0.7152 G + 0.0722 B) / 255 = 16 + 219 L / 255
        Cb = 128 + 224 (B - L) / (1.8556 * 255),    Cr = 128 + 224 (R - L) / (1.5748 * 255),

    rounded to the nearest integer (ITU-R BT.709-6, items 3 and 4). Chroma lies between the pixels, of which four along
    each axis are weighted by (-1, 9, 9, -1) / 16; beyond the border the border's pixels count again.

    Args:
        frame: uint8 [H, W, 3], on the CPU.
        backend: as in `sample`.

    Returns:
        uint8 [H W + 2 h w]: Y [H, W], then Cb and Cr [h, w], with h, w = ceil(H / 2), ceil(W / 2). The same bits for
        any number of threads.

    Raises:
        TypeError, ValueError: an argument of the wrong type, shape or device.
        RuntimeError: backend="native" where the kernels cannot run.
    """
    check_tensor("frame", frame, ("H", "W", 3), (torch.uint8,))
    check_device("frame", frame, torch.device("cpu"))
    if not runs_native(backend, frame):
        return yuv420_reference(frame)
    assert extension is not None
    h, w = frame.shape[:2]
    frame = frame.contiguous()
    out = frame.new_empty(h * w + 2 * ((h + 1) // 2) * ((w + 1) // 2))
    extension.yuv420([frame.data_ptr(), out.data_ptr()], (h, w), torch.get_num_threads(), _native.best_simd())
    return out

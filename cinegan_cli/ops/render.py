"""render: one frame of the moving layer from where its pixels come from, over the photo, to bytes; in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cinegan_cli.ops import _native
from cinegan_cli.ops._checks import check_device, check_tensor
from cinegan_cli.ops._native import ANCHOR_STEPS, Backend, extension, runs_native
from cinegan_cli.ops.omoms import omoms_coefficients
from cinegan_cli.ops.render_reference import render_reference
from cinegan_cli.types import RenderPart

CROWDED = 64  # px: rows that are a multiple of this apart fall into few sets of the first-level cache


def interleaved(picture: Tensor) -> Tensor:
    """[3, H, W] as `render` reads it: [H, W, 4], the fourth value 0, with a few pixels of room between rows."""
    pixels = _room_for(picture)
    pixels[..., :3] = picture.permute(1, 2, 0)
    return pixels


def interleaved_coefficients(picture: Tensor) -> Tensor:
    """`interleaved` of the `omoms_coefficients` of [3, H, W]: channel by channel, so that not all are held twice."""
    pixels = _room_for(picture)
    for c, plane in enumerate(picture):
        pixels[..., c] = omoms_coefficients(plane[None])[0]
    return pixels


def _room_for(picture: Tensor) -> Tensor:
    _, h, w = picture.shape
    return picture.new_zeros(h, w + (4 if w % CROWDED == 0 else 0), 4)[:, :w]


def anchor_of(photo: Tensor, alpha: Tensor, unmoved: Tensor) -> Tensor:
    """What `render` adds 255 alpha times the layer to, then 255 alpha: int16 [H, W, 4], in `ANCHOR_STEPS` to a level.

    Arguments are those of `composite`. 255 alpha is rounded first, so that a layer that has not moved gives the photo.
    """
    scale = (255 * ANCHOR_STEPS * alpha).round()
    anchor = torch.empty(*alpha.shape, 4, dtype=torch.int16, device=alpha.device)
    anchor[..., 3] = scale
    largest = torch.iinfo(torch.int16).max
    for c, plane in enumerate(unmoved):  # one channel at a time, for the memory
        colours = (ANCHOR_STEPS * photo[..., c].float()).addcmul_(scale, plane, value=-1)
        anchor[..., c] = colours.round_().clamp_(-largest, largest)
    return anchor


def render(
    levels: Sequence[Tensor],
    parts: Sequence[RenderPart],
    *,
    photo: Tensor | None = None,
    anchor: Tensor | None = None,
    backend: Backend = "auto",
) -> Tensor:
    """The sum over the parts of weight_p * L_p at the finest level, where at level k of a part

        L_k = gain_k * ((1 - phase) I_k(p_0) + phase I_k(p_1)) + upsampled L_(k-1)

    as `joint_sample` computes it, mirrored at the border, by "omoms" at the finest level and by bicubic at the others
    (the CPU kernel rounds positions to 1/256 px).
    Without an anchor that is the result; else it lies over the photo, round(clip(anchor[:3] + anchor[3] * sum, 0, 255))
    with the anchor in levels, and the photo's bytes where anchor[3] is 0 (`composite`).

    Args:
        levels: I_k, coarse to fine, float32 [H_k, W_k, 4] from `interleaved`; the finest from
            `interleaved_coefficients`.
        parts: at least one.
        photo, anchor: uint8 [H, W, 3] and int16 [H, W, 4] from `anchor_of`, both or none.
        backend: as in `sample`. On CUDA, PyTorch's interpolation and the kernel of `sample` run.

    Returns:
        uint8 [H, W, 3] with an anchor, float32 [3, H, W] without. No gradients. CPU results have the same bits for any
        number of threads.

    Raises:
        TypeError, ValueError: an argument of the wrong type, shape or device.
        RuntimeError: backend="native" where the kernels cannot run.
    """
    _check(levels, parts, photo, anchor)
    native = runs_native(backend, levels[-1])
    if native and not levels[-1].is_cuda:
        return _render_kernel(levels, parts, photo, anchor)
    with torch.no_grad():
        in_levels = None if anchor is None else anchor.float().div_(ANCHOR_STEPS)
        return render_reference(levels, parts, photo, in_levels, "auto" if native else "reference")


def _check(levels: Sequence[Tensor], parts: Sequence[RenderPart], photo: Tensor | None, anchor: Tensor | None) -> None:
    floats, bytes_ = (torch.float32,), (torch.uint8,)
    if not levels or not parts:
        raise ValueError(f"levels and parts must be at least one, got {len(levels)} and {len(parts)}")
    if (photo is None) != (anchor is None):
        raise ValueError("photo and anchor must be given both or none, got one")
    for level in levels:
        check_tensor("level", level, ("H", "W", 4), floats)
        if level.numel() == 0:
            raise ValueError(f"level must be of at least one pixel, got {list(level.shape)}")
    device, (h, w) = levels[-1].device, levels[-1].shape[:2]
    given: list[tuple[str, Tensor | None, tuple[int | str, ...], tuple[torch.dtype, ...]]] = [
        ("photo", photo, (h, w, 3), bytes_),
        ("anchor", anchor, (h, w, 4), (torch.int16,)),
    ]
    for part in parts:
        if not 0 <= part.phase <= 1:
            raise ValueError(f"phase must be in [0, 1], got {part.phase}")
        if len(part.regions) != len(levels):
            raise ValueError(f"regions must be {len(levels)}, got {len(part.regions)}")
        given += [("origins", part.origins, (2, 2, "h", "w"), floats), ("weight", part.weight, ("h4", "w4"), floats)]
        given += [("gains", part.gains, (len(levels), "h3", "w3"), floats)]
        given += [("region", r, tuple(v.shape[:2]), bytes_) for r, v in zip(part.regions, levels, strict=True)]
    for name, value, shape, dtypes in given:
        if value is not None:
            check_tensor(name, value, shape, dtypes)
            check_device(name, value, device)
            if value.numel() == 0:
                raise ValueError(f"{name} must be of at least one pixel, got {list(value.shape)}")


def _render_kernel(
    levels: Sequence[Tensor], parts: Sequence[RenderPart], photo: Tensor | None, anchor: Tensor | None
) -> Tensor:
    assert extension is not None
    h, w = levels[-1].shape[:2]
    kept: list[Tensor] = []  # until the kernel is done

    def address(tensor: Tensor | None) -> int:
        if tensor is None:
            return 0
        kept.append(tensor.contiguous())
        return kept[-1].data_ptr()

    def size(tensor: Tensor | None) -> tuple[int, ...]:
        return (0, 0) if tensor is None else tuple(tensor.shape[-2:])

    rows = [
        level if level.stride()[1:] == (4, 1) and level.stride(0) % 4 == 0 else level.contiguous() for level in levels
    ]
    pictures = [(level.data_ptr(), *level.shape[:2], level.stride(0) // 4) for level in rows]
    pieces = [
        (
            [address(tensor) for tensor in (part.origins, part.gains, part.weight, *part.regions)],
            [size(part.origins), size(part.gains), size(part.weight)],
            (1 - part.phase, part.phase),
        )
        for part in parts
    ]
    out = (
        levels[-1].new_empty(3, h, w)
        if photo is None
        else torch.empty_like(photo, memory_format=torch.contiguous_format)
    )
    addresses = [address(anchor), address(photo), out.data_ptr()]
    extension.render(pictures, pieces, addresses, torch.get_num_threads(), _native.best_simd())
    return out

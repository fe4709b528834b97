"""joint_sample: the renderer's inner loop, one pass over the pixels of a frame."""

# Annotations are types here, not text: `custom_op` of torch 2.4 reads nothing else.

from functools import partial

import torch
from torch import Tensor

from cinegan_cli.ops._checks import check_choice, check_device, check_tensor
from cinegan_cli.ops._native import Backend, is_plain, run_plain, runs_native
from cinegan_cli.ops.joint_sample_reference import joint_sample_reference
from cinegan_cli.ops.sample import BORDERS, KERNELS, Border, Kernel, sample


def joint_sample(
    image: Tensor,
    origins: Tensor,
    phase: float,
    *,
    gain: Tensor | None = None,
    base: Tensor | None = None,
    region: Tensor | None = None,
    kernel: Kernel = "lanczos3",
    border: Border = "reflect",
    backend: Backend = "auto",
) -> Tensor:
    """Reads an image sharply where each pixel comes from in both directions of time, and mixes the two by the phase.

    At output pixel (X, Y), with grid coordinates g = ((X + 0.5) w / W - 0.5, (Y + 0.5) h / H - 0.5):
    p_s = (X + W / w * origins[s, 0](g), Y + H / h * origins[s, 1](g)) and
    out = gain(g) ((1 - phase) image(p_0) + phase image(p_1)) + base, where (g) is clamped bilinear interpolation and
    image(p) is `sample`.

    Args:
        image: [C, H, W] float32, contiguous or copied.
        origins: [2, 2, h, w] float32; `origins[s, 0, y, x]` and `[s, 1, y, x]` lead from grid point (x, y) to where
            source s comes from, in grid px. A position that is not finite contributes 0.
        phase: share of source 1, in [0, 1]. A source with share 0 is not read.
        gain: [h3, w3] float32, of any size, interpolated like the origins, or None for 1.
        base: [C, h2, w2] float32, upsampled like `F.interpolate(mode="bilinear", align_corners=False)`, or None for 0.
        region: [H, W] uint8; pixels with 0 are not computed and are 0. None for all.
        kernel, border, backend: as in `sample`.

    Returns:
        [C, H, W] float32, not clipped. No gradients. CPU results have the same bits for any number of threads.

    Raises:
        TypeError, ValueError: an argument of the wrong type, shape, device or range.
        RuntimeError: backend="native" where the kernels cannot run.
    """
    _check(image, origins, phase, gain, base, region)
    check_choice("kernel", kernel, KERNELS)
    check_choice("border", border, BORDERS)
    tensors = image, origins, gain, base, region
    if runs_native(backend, *tensors):
        out: Tensor = (_joint_sample_kernel if is_plain(*tensors) else _joint_sample)(
            image, origins, float(phase), gain, base, region, KERNELS.index(kernel), BORDERS.index(border)
        )
        return out
    sampler = partial(sample, kernel=kernel, border=border, backend="reference")
    with torch.no_grad():
        return joint_sample_reference(image, origins, float(phase), gain, base, region, sampler)


def _check(
    image: Tensor, origins: Tensor, phase: float, gain: Tensor | None, base: Tensor | None, region: Tensor | None
) -> None:
    floats = (torch.float32,)
    check_tensor("image", image, ("C", "H", "W"), floats)
    check_tensor("origins", origins, (2, 2, "h", "w"), floats)
    for name, value in (("image", image), ("origins", origins), ("gain", gain), ("base", base)):
        if value is not None and isinstance(value, Tensor) and value.numel() == 0:
            raise ValueError(f"{name} must be of at least one pixel, got {list(value.shape)}")
    if not 0 <= phase <= 1:
        raise ValueError(f"phase must be in [0, 1], got {phase}")
    if gain is not None:
        check_tensor("gain", gain, ("h3", "w3"), floats)
    if base is not None:
        check_tensor("base", base, (image.shape[0], "h2", "w2"), floats)
    if region is not None:
        check_tensor("region", region, tuple(image.shape[1:]), (torch.uint8,))
    for name, value in (("origins", origins), ("gain", gain), ("base", base), ("region", region)):
        if value is not None:
            check_device(name, value, image.device)


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _joint_sample_kernel(
    image: Tensor,
    origins: Tensor,
    phase: float,
    gain: Tensor | None,
    base: Tensor | None,
    region: Tensor | None,
    kernel: int,
    border: int,
) -> Tensor:
    tensors = [None if t is None else t.contiguous() for t in (image, origins, gain, base, region)]
    out = torch.empty_like(image, memory_format=torch.contiguous_format)
    gain_size = (0, 0) if gain is None else gain.shape
    base_size = (0, 0) if base is None else base.shape[1:]
    run_plain(
        "joint_sample",
        image,
        [*map(_address, tensors), _address(out)],
        image.shape,
        origins.shape[2:],
        gain_size,
        base_size,
        (1 - phase, phase),
        kernel,
        border,
    )
    return out


_joint_sample = torch.library.custom_op("cinegan::joint_sample", mutates_args=(), device_types=("cpu", "cuda"))(
    _joint_sample_kernel
)


@_joint_sample.register_fake
def _(
    image: Tensor,
    origins: Tensor,
    phase: float,
    gain: Tensor | None,
    base: Tensor | None,
    region: Tensor | None,
    kernel: int,
    border: int,
) -> Tensor:
    return torch.empty_like(image, memory_format=torch.contiguous_format)

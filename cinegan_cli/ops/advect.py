"""advect: one Euler step of particles in a steady flow, Eq. 1 of StyleCineGAN."""

# Annotations are types here, not text: `custom_op` of torch 2.4 reads nothing else.

import torch
from torch import Tensor

from cinegan_cli.ops._checks import check_device, check_tensor
from cinegan_cli.ops._native import Backend, is_plain, run_plain, runs_native
from cinegan_cli.ops.advect_reference import advect_reference


def advect(
    velocity: Tensor, displacement: Tensor, *, corner: tuple[int, int] = (0, 0), backend: Backend = "auto"
) -> Tensor:
    """F_{t+1}(x) = F_t(x) + M(x + F_t(x)): bilinear, the flow clamped at its border.

    Args:
        velocity: M, float32 [2, h, w], pixels per step; `velocity[0, y, x]` is towards +x, `[1, y, x]` towards +y.
        displacement: F_t, float32 [2, H, W], pixels, of the particles that start at the points of a part of M's grid.
        corner: the row and column of M's grid at which that part begins.
        backend: as in `sample`.

    Returns:
        F_{t+1}, float32 [2, H, W]. Inputs must be finite. No gradients.

    Raises:
        TypeError, ValueError: an argument of the wrong type, shape or device.
        RuntimeError: backend="native" where the kernels cannot run.
    """
    check_tensor("velocity", velocity, (2, "h", "w"), (torch.float32,))
    check_tensor("displacement", displacement, (2, "H", "W"), (torch.float32,))
    if velocity.numel() == 0 and displacement.numel() > 0:
        raise ValueError(f"velocity must be of at least one pixel, got {list(velocity.shape)}")
    check_device("displacement", displacement, velocity.device)
    if runs_native(backend, velocity, displacement):
        out: Tensor = (_advect_kernel if is_plain(velocity, displacement) else _advect)(velocity, displacement, *corner)
        return out
    return advect_reference(velocity, displacement, corner)


def _advect_kernel(velocity: Tensor, displacement: Tensor, top: int, left: int) -> Tensor:
    inputs = [velocity.contiguous(), displacement.contiguous()]
    out = torch.empty_like(inputs[1])
    addresses = [tensor.data_ptr() for tensor in (*inputs, out)]
    sizes = velocity.shape[1:], displacement.shape[1:]
    run_plain("advect", velocity, addresses, *sizes, (top, left))
    return out


_advect = torch.library.custom_op("cinegan::advect", mutates_args=(), device_types=("cpu", "cuda"))(_advect_kernel)


@_advect.register_fake
def _(velocity: Tensor, displacement: Tensor, top: int, left: int) -> Tensor:
    return torch.empty_like(displacement, memory_format=torch.contiguous_format)

"""advect: one Euler step of particles in a steady flow, Eq. 1 of StyleCineGAN."""

# Annotations are types here, not text: `custom_op` of torch 2.4 reads nothing else.

import torch
from torch import Tensor

from cinegan_cli.ops._checks import check_device, check_tensor
from cinegan_cli.ops._native import Backend, is_plain, run_plain, runs_native
from cinegan_cli.ops.advect_reference import advect_reference


def advect(velocity: Tensor, displacement: Tensor, *, backend: Backend = "auto") -> Tensor:
    """F_{t+1}(x) = F_t(x) + M(x + F_t(x)): bilinear, the flow clamped at its border.

    Args:
        velocity: M, float32 [2, H, W], pixels per step; `velocity[0, y, x]` is towards +x, `[1, y, x]` towards +y.
        displacement: F_t, float32 [2, H, W], pixels.
        backend: as in `sample`.

    Returns:
        F_{t+1}, float32 [2, H, W]. Inputs must be finite. No gradients.

    Raises:
        TypeError, ValueError: an argument of the wrong type, shape or device.
        RuntimeError: backend="native" where the kernels cannot run.
    """
    check_tensor("velocity", velocity, (2, "H", "W"), (torch.float32,))
    check_tensor("displacement", displacement, tuple(velocity.shape), (torch.float32,))
    check_device("displacement", displacement, velocity.device)
    if runs_native(backend, velocity, displacement):
        out: Tensor = (_advect_kernel if is_plain(velocity, displacement) else _advect)(velocity, displacement)
        return out
    return advect_reference(velocity, displacement)


def _advect_kernel(velocity: Tensor, displacement: Tensor) -> Tensor:
    inputs = [velocity.contiguous(), displacement.contiguous()]
    out = torch.empty_like(inputs[0])
    addresses = [tensor.data_ptr() for tensor in (*inputs, out)]
    run_plain("advect", velocity, addresses, velocity.shape[1:])
    return out


_advect = torch.library.custom_op("cinegan::advect", mutates_args=(), device_types=("cpu", "cuda"))(_advect_kernel)


@_advect.register_fake
def _(velocity: Tensor, displacement: Tensor) -> Tensor:
    return torch.empty_like(velocity, memory_format=torch.contiguous_format)

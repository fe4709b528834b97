"""composite: the moving part over the unmoved photo, to bytes."""

# Annotations are types here, not text: `custom_op` of torch 2.4 reads nothing else.

import torch
from torch import Tensor

from cinegan_cli.ops._checks import check_device, check_tensor
from cinegan_cli.ops._native import Backend, is_plain, run_plain, runs_native
from cinegan_cli.ops.composite_reference import composite_reference


def composite(photo: Tensor, alpha: Tensor, warped: Tensor, unmoved: Tensor, *, backend: Backend = "auto") -> Tensor:
    """The photo plus what the warp changes: round(255 clip(photo / 255 + alpha (warped - unmoved), 0, 1)).

    Args:
        photo: uint8 [H, W, 3].
        alpha: float32 [H, W], the share of the change; where it is 0 the bytes of `photo` are copied.
        warped, unmoved: float32 [3, H, W], the warped picture and the same picture unwarped.
        backend: as in `sample`.

    Returns:
        uint8 [H, W, 3]; halves round to even, NaN is 0. No gradients.

    Raises:
        TypeError, ValueError: an argument of the wrong type, shape or device.
        RuntimeError: backend="native" where the kernels cannot run.
    """
    check_tensor("photo", photo, ("H", "W", 3), (torch.uint8,))
    h, w = photo.shape[:2]
    floats = (torch.float32,)
    check_tensor("alpha", alpha, (h, w), floats)
    check_tensor("warped", warped, (3, h, w), floats)
    check_tensor("unmoved", unmoved, (3, h, w), floats)
    for name, value in (("alpha", alpha), ("warped", warped), ("unmoved", unmoved)):
        check_device(name, value, photo.device)
    tensors = photo, alpha, warped, unmoved
    if runs_native(backend, *tensors):
        out: Tensor = (_composite_kernel if is_plain(*tensors) else _composite)(*tensors)
        return out
    return composite_reference(*tensors)


def _composite_kernel(photo: Tensor, alpha: Tensor, warped: Tensor, unmoved: Tensor) -> Tensor:
    inputs = [tensor.contiguous() for tensor in (photo, alpha, warped, unmoved)]
    out = torch.empty_like(inputs[0])
    addresses = [tensor.data_ptr() for tensor in (*inputs, out)]
    run_plain("composite", photo, addresses, photo.shape[:2])
    return out


_composite = torch.library.custom_op("cinegan::composite", mutates_args=(), device_types=("cpu", "cuda"))(
    _composite_kernel
)


@_composite.register_fake
def _(photo: Tensor, alpha: Tensor, warped: Tensor, unmoved: Tensor) -> Tensor:
    return torch.empty_like(photo, memory_format=torch.contiguous_format)

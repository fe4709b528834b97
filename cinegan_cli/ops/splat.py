"""splat: forward warping with bilinear votes, numerator and denominator apart."""

# Annotations are types here, not text: `custom_op` of torch 2.4 reads nothing else.

from typing import Any

import torch
from torch import Tensor

from cinegan_cli.ops._checks import check_device, check_tensor, working_dtype
from cinegan_cli.ops._native import Backend, is_plain, layout_of, run, runs_native, strided, strides_of
from cinegan_cli.ops.splat_reference import splat_reference


def splat(
    features: Tensor, displacement: Tensor, weight: Tensor, *, backend: Backend = "auto"
) -> tuple[Tensor, Tensor]:
    """Sends every pixel to where it moves, shared among four pixels by bilinear votes (Eq. 2 without the division).

    Joint splatting is the sum of two such pairs and one division.

    Args:
        features: [B, C, H, W], any float type. Contiguous and channels-last memory are not copied.
        displacement: [B, 2, H, W]; `displacement[b, 0, y, x]` = dx and `[b, 1, y, x]` = dy mean that pixel (x, y) lands
            at (x + dx, y + dy), in pixels of this grid, +x right, +y down, centres at integers.
        weight: [B, 1, H, W], what each pixel's votes are multiplied by.
        backend: "native" for the C++ and CUDA kernels, "reference" for plain PyTorch, "auto" for the best that works.

    Returns:
        numerator [B, C, H, W], the sum of vote * weight * feature, in the memory layout of `features`; and denominator
        [B, 1, H, W], the sum of vote * weight. Both are float64 when `features` is, else float32: half types are
        cast to float32 at the edge, and sums stay float32.

    Votes that fall outside the grid are dropped, as is every pixel whose target is NaN or infinite. A non-finite
    feature or weight with a target on the grid is added like any other: it makes the four pixels around its target
    non-finite, those with vote 0 included (0 * inf is NaN).

    All three inputs have gradients (a gather; where votes have kinks, at integer targets, the derivative is the one to
    the right and below); second derivatives are refused. CPU results have the same bits for any number of threads. The
    CUDA kernel adds with atomics, in no fixed order; under `torch.use_deterministic_algorithms(True)` "auto" runs the
    reference, which is deterministic there, and "native" raises. So too with forward-mode tangents and inside
    transforms of torch.func, which the kernels do not see.

    Raises:
        TypeError, ValueError: an argument of the wrong type, shape or device.
        RuntimeError: backend="native" where the kernels cannot run.
    """
    check_tensor("features", features, ("B", "C", "H", "W"))
    b, c, h, w = features.shape
    if c < 1:
        raise ValueError(f"features must be of shape [B, C >= 1, H, W], got {list(features.shape)}")
    check_tensor("displacement", displacement, (b, 2, h, w))
    check_tensor("weight", weight, (b, 1, h, w))
    check_device("displacement", displacement, features.device)
    check_device("weight", weight, features.device)
    dtype = working_dtype(features.dtype)
    arguments = features.to(dtype), displacement.to(dtype), weight.to(dtype)
    if not runs_native(backend, *arguments, adds_in_any_order=True):
        return splat_reference(*arguments)
    numerator, denominator = (_splat_kernel if is_plain(*arguments) else _splat)(*arguments)
    return numerator, denominator


def _splat_kernel(features: Tensor, displacement: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    features, displacement, weight = strided(features), displacement.contiguous(), weight.contiguous()
    # The CPU kernel writes every element; the CUDA kernel adds to what is there.
    make = torch.zeros_like if features.is_cuda else torch.empty_like
    numerator = make(features, memory_format=layout_of(features))
    denominator = make(weight)
    tensors = features, displacement, weight, numerator, denominator
    addresses = [tensor.data_ptr() for tensor in tensors]
    run("splat", features, addresses, features.shape, strides_of(features), strides_of(numerator))
    return numerator, denominator


_splat = torch.library.custom_op("cinegan::splat", mutates_args=(), device_types=("cpu", "cuda"))(_splat_kernel)


@_splat.register_fake
def _(features: Tensor, displacement: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    features = strided(features)
    return torch.empty_like(features, memory_format=layout_of(features)), torch.empty_like(
        weight, memory_format=torch.contiguous_format
    )


@torch.library.custom_op("cinegan::splat_backward", mutates_args=(), device_types=("cpu", "cuda"))
def _splat_backward(
    grad_numerator: Tensor,
    grad_denominator: Tensor,
    features: Tensor,
    displacement: Tensor,
    weight: Tensor,
    needs_features: bool,
    needs_displacement: bool,
    needs_weight: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients asked for; an empty tensor for each other."""
    features = strided(features)
    layout = layout_of(features)
    features, grad_numerator = (
        features.contiguous(memory_format=layout),
        grad_numerator.contiguous(memory_format=layout),
    )
    displacement, weight = displacement.contiguous(), weight.contiguous()
    grad_denominator = grad_denominator.contiguous()
    none = features.new_empty(0)
    grad_features = torch.empty_like(features) if needs_features else none
    grad_displacement = torch.empty_like(displacement) if needs_displacement else none.clone()
    grad_weight = torch.empty_like(weight) if needs_weight else none.clone()
    inputs = features, displacement, weight, grad_numerator, grad_denominator
    grads = grad_features, grad_displacement, grad_weight
    addresses = [
        tensor.data_ptr() for tensor in (*inputs, *grads)
    ]  # the address of an empty tensor is 0: not asked for
    run("splat_grad", features, addresses, features.shape, strides_of(features))
    return grads


@_splat_backward.register_fake
def _(
    grad_numerator: Tensor,
    grad_denominator: Tensor,
    features: Tensor,
    displacement: Tensor,
    weight: Tensor,
    needs_features: bool,
    needs_displacement: bool,
    needs_weight: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    features = strided(features)
    none = features.new_empty(0)
    return (
        torch.empty_like(features, memory_format=layout_of(features)) if needs_features else none,
        torch.empty_like(displacement, memory_format=torch.contiguous_format) if needs_displacement else none.clone(),
        torch.empty_like(weight, memory_format=torch.contiguous_format) if needs_weight else none.clone(),
    )


def _save(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad_numerator: Tensor, grad_denominator: Tensor) -> tuple[Tensor | None, ...]:
    needs = ctx.needs_input_grad
    grads = _splat_backward(grad_numerator, grad_denominator, *ctx.saved_tensors, *needs)
    return tuple(grad if need else None for grad, need in zip(grads, needs, strict=True))


_splat.register_autograd(_backward, setup_context=_save)

"""Building blocks of StyleGAN2 (Karras et al. 2020), named so that released state dicts load by name.

Every learned weight is stored at unit variance and scaled when used ("equalised learning rate"). Styles, demodulation
and sums are computed in float32 at least; convolutions in the dtype of their input or of the surrounding autocast.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegan_cli.ops import one_thread

SLOPE = 0.2  # of the leaky ReLU
GAIN = math.sqrt(2)  # keeps the variance through a leaky ReLU
BLUR = (1.0, 3.0, 3.0, 1.0)


def at_least_float32(x: Tensor) -> Tensor:
    """Half floats as float32, anything wider as it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """A context in which nothing on `x`'s device is narrowed."""
    if x.device.type == "meta":  # knows no autocast
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)


def _blur_kernel(gain: float) -> Tensor:
    """The outer product of [1, 3, 3, 1], summing to `gain`. [4, 4]"""
    taps = torch.tensor(BLUR)
    kernel = taps[:, None] * taps[None, :]
    return kernel * (gain / kernel.sum())


class PixelNorm(nn.Module):
    """z / rms(z), over the last dimension. [B, C] → [B, C]"""

    def forward(self, z: Tensor) -> Tensor:
        return z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)


class EqualLinear(nn.Module):
    """Linear layer with an equalised learning rate: [B, inputs] → [B, outputs], float32 at least."""

    def __init__(self, inputs: int, outputs: int, *, lr: float = 1.0, bias: float = 0.0, activate: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.lr, self.scale, self.activate = lr, lr / math.sqrt(inputs), activate

    def forward(self, x: Tensor) -> Tensor:
        with without_autocast(x):
            x = at_least_float32(x)
            y = F.linear(x, self.weight.to(x.dtype) * self.scale, self.bias.to(x.dtype) * self.lr)
            return F.leaky_relu(y, SLOPE) * GAIN if self.activate else y


class EqualConv2d(nn.Module):
    """Convolution with an equalised learning rate and no bias: [B, inputs, H, W] → [B, outputs, H', W']."""

    def __init__(self, inputs: int, outputs: int, size: int, *, stride: int = 1, padding: int = 0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.scale, self.stride, self.padding = 1 / math.sqrt(inputs * size**2), stride, padding

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.to(x.dtype) * self.scale
        return F.conv2d(x, weight, stride=self.stride, padding=self.padding)


class Activation(nn.Module):
    """Leaky ReLU of x + bias, times √2. [B, C, H, W] → same"""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.bias.view(1, -1, 1, 1).to(x.dtype), SLOPE) * GAIN


class Blur(nn.Module):
    """Each channel filtered with `kernel`, after `padding` zeros on every side. [B, C, H, W] → [B, C, H', W']"""

    kernel: Tensor

    def __init__(self, padding: int, *, gain: float = 1.0):
        super().__init__()
        self.padding = padding
        self.register_buffer("kernel", _blur_kernel(gain))

    def forward(self, x: Tensor) -> Tensor:
        # one 4 × 4 pass: two 1-d passes took 94 ms against 54 at [1, 32, 1024, 1024], oneDNN, 2 cores
        channels = x.shape[1]
        weight = self.kernel.flip(0, 1).to(x.dtype).expand(channels, 1, 4, 4)
        return F.conv2d(x, weight, padding=self.padding, groups=channels)


class Upsample(nn.Module):
    """Twice the size, by zero insertion and filtering with `kernel`; outside the picture is 0.

    [B, C, H, W] → [B, C, 2 H, 2 W] float32 at least, also under autocast: pictures are summed with it.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", _blur_kernel(gain=4))

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        with without_autocast(x):
            x = at_least_float32(x).reshape(-1, 1, height, width)
            # channels as a batch: as a grouped transposed convolution it takes 26 ms against 5 for [1, 3, 512, 512]
            y = F.conv_transpose2d(x, self.kernel[None, None].to(x.dtype), stride=2, padding=1)
        return y.view(batch, channels, 2 * height, 2 * width)


class ModulatedConv2d(nn.Module):
    """Convolution whose input channels are scaled by a style and whose outputs are brought back to unit variance.

    Instead of a weight per sample, the input is scaled, the weight shared and the output demodulated: `forward` gives
    the convolution and the factor [B or 1, outputs, 1, 1] (None without demodulation) that its user multiplies with.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, style_dim: int, *, up: bool = False, demodulate: bool = True
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, size, size))
        self.modulation = EqualLinear(style_dim, inputs, bias=1.0)
        self.blur = Blur(padding=1, gain=4) if up else None
        self.scale, self.padding, self.demodulate = 1 / math.sqrt(inputs * size**2), size // 2, demodulate

    def forward(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor | None]:
        """x [B, inputs, h, w], w [B or 1, style_dim] → [B, outputs, h, w] (twice the size with `up`) and its factor."""
        with without_autocast(x):
            style: Tensor = self.modulation(w) * self.scale  # [B or 1, inputs]
            # the largest is 1: half floats do not overflow, and the factor cancels it exactly, so it needs no gradient
            peak = style.detach().abs().amax(1, keepdim=True).clamp_min(1e-20)
            style = style / peak
            factor = self._factor(style, peak)[:, :, None, None]
        weight = self.weight[0]
        if len(style) == 1 and weight.numel() < x.numel():
            # one style for all, still one weight: a new feature costs its page faults, 37 ms for [1, 32, 1024, 1024];
            # D10 → 1024² takes 0.90 s, and 1.04 when inputs are scaled (bf16 0.45 and 0.51)
            weight = weight * style.view(1, -1, 1, 1).to(weight.dtype)
        else:
            x = x * style[:, :, None, None].to(x.dtype)
        y = self._convolve(x, weight.to(x.dtype))
        return (y, factor) if self.demodulate else (y * factor.to(y.dtype), None)

    def _factor(self, style: Tensor, peak: Tensor) -> Tensor:
        """1 / the deviation of outputs for inputs of unit variance, or what undoes `peak`. → [B or 1, outputs or 1]"""
        if not self.demodulate:
            return peak
        energy = self.weight[0].to(style.dtype).square().sum((2, 3))  # [outputs, inputs]
        return torch.rsqrt(style.square() @ energy.T + 1e-8 / peak.square())

    def _convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.blur is None:
            # the last bits of a 1 × 1 convolution, but not of a 3 × 3, depend on how many threads share it
            with one_thread() if self.padding == 0 else nullcontext():
                return F.conv2d(x, weight, padding=self.padding)
        # ms at 64 → 32 channels, 512² → 1024², fp32, 2 cores, channels last (contiguous): transposed convolution 122
        # (162) + blur 54 (148); one 3 × 3 convolution to the four output phases with the blur in it 250 (350)
        blurred: Tensor = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        return blurred


class NoiseStrength(nn.Module):
    """How much a layer's noise map counts."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class StyledConv(nn.Module):
    """Modulated 3 × 3 convolution (after doubling the size with `up`), noise, bias and leaky ReLU: D_{k-1} → D_k."""

    def __init__(self, inputs: int, outputs: int, style_dim: int, *, up: bool = False):
        super().__init__()
        self.up, self.inputs = up, inputs
        self.conv = ModulatedConv2d(inputs, outputs, 3, style_dim, up=up)
        self.noise = NoiseStrength()
        self.activate = Activation(outputs)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """x [B, inputs, h, w], w [B or 1, style_dim], noise [B or 1, 1, h', w'] or None → [B, outputs, h', w']."""
        y, factor = self.conv(x, w)
        gain = (factor * GAIN).to(y.dtype)  # √2 goes through a leaky ReLU
        bias = (self.activate.bias * GAIN).view(1, -1, 1, 1).to(y.dtype)
        if noise is not None:
            noise = noise.to(y) * (self.noise.weight * GAIN).to(y.dtype)
        if torch.is_grad_enabled():
            y = y * gain + bias if noise is None else torch.addcmul(noise, y, gain) + bias
            return F.leaky_relu(y, SLOPE)
        # in place each step takes 2 ms for [1, 32, 1024, 1024], and 37 with a new tensor
        y = y.mul_(gain) if noise is None else torch.addcmul(noise, y, gain, out=y)
        return F.leaky_relu_(y.add_(bias), SLOPE)


class ToRGB(nn.Module):
    """A feature's contribution to the picture: 1 × 1 modulated convolution without demodulation, and a bias."""

    def __init__(self, inputs: int, style_dim: int, *, up: bool = True):
        super().__init__()
        self.conv = ModulatedConv2d(inputs, 3, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        if up:  # of the picture so far, applied by `Generator.sum_rgb`
            self.upsample = Upsample()

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x [B, inputs, h, w], w [B or 1, style_dim] → [B, 3, h, w], float32 at least and contiguous."""
        if torch.is_grad_enabled():
            rgb = at_least_float32(self.conv(x, w)[0])
        else:  # narrowed sums would make stairs of half a level; float32 costs 0.13 of 1.4 s (D10 → 1024 x 1664)
            with without_autocast(x):
                rgb = self.conv(at_least_float32(x), w)[0]
        return (rgb + self.bias.to(rgb.dtype)).contiguous()

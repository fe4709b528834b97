"""Building blocks of DeepLandscape (Logacheva et al. 2020), named so that released state dicts load by name.

Weights are stored at unit variance and scaled by √(2 / fan-in) when used ("equalised learning rate"); the release calls
such a weight `weight_orig`. Scaled weights are computed in the forward pass; those of a frozen network are then kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky ReLU
EPS = 1e-5  # of the instance norm


class Kept(nn.Module):
    """What is computed from a weight before it is used, kept as long as the weight is frozen and stays as it is."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: tuple[object, Tensor] | None = None

    def used(self, weight: Tensor, like: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
        """`make(weight)` in the dtype of `like`."""
        if weight.requires_grad or weight.is_inference():
            return make(weight.to(like.dtype))
        state = (weight.data_ptr(), weight._version, weight.device, weight.stride(), like.dtype)
        if self._kept is None or self._kept[0] != state:
            with torch.inference_mode(False), torch.no_grad():  # to be of use with gradients of inputs as well
                self._kept = state, make(weight.to(like.dtype)).contiguous()
        return self._kept[1]


class Scaled(Kept):
    """A weight of unit variance, in the release's naming, with an optional bias."""

    def __init__(self, shape: Sequence[int], fan_in: int, *, bias: int = 0) -> None:
        super().__init__()
        self.weight_orig = nn.Parameter(torch.randn(*shape))
        self.bias = nn.Parameter(torch.zeros(bias)) if bias else None
        self.scale = math.sqrt(2 / fan_in)

    def weight(self, like: Tensor) -> Tensor:
        """The weight as it is used, in the dtype of `like`."""
        return self.used(self.weight_orig, like, lambda weight: weight * self.scale)

    def taps(self, like: Tensor) -> Tensor:
        """Of a 3 × 3 convolution after each pixel was taken four times: the transposed convolution that does both."""
        return self.used(self.weight_orig, like, lambda w: _spread(w.flip((2, 3)).transpose(0, 1) * self.scale))


class Linear(nn.Module):
    """Equalised linear layer: [B, inputs] → [B, outputs]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = Scaled((outputs, inputs), inputs, bias=outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.linear.weight(x), self.linear.bias)


class Conv(nn.Module):
    """Equalised convolution; keeps the size unless `padding` says other. [B, inputs, H, W] → [B, outputs, H, W]"""

    def __init__(self, inputs: int, outputs: int, size: int, *, padding: int | None = None) -> None:
        super().__init__()
        self.conv = Scaled((outputs, inputs, size, size), inputs * size * size, bias=outputs)
        self.padding = size // 2 if padding is None else padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.conv.weight(x), self.conv.bias, padding=self.padding)


def _spread(weight: Tensor) -> Tensor:
    """The sum of a 3 × 3 weight's four placements in 4 × 4."""
    wide = F.pad(weight, (1, 1, 1, 1))
    return wide[..., 1:, 1:] + wide[..., :-1, 1:] + wide[..., 1:, :-1] + wide[..., :-1, :-1]


class Resampling(Kept):
    """Base of the two convolutions that change the size: a 3 × 3 weight spread over 4 × 4 taps."""

    def __init__(self, shape: tuple[int, int], inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(*shape, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = math.sqrt(2 / (9 * inputs))

    def taps(self, like: Tensor) -> Tensor:
        """The mean of the weight's four placements in 4 × 4: what averaging before or after it would do."""
        return self.used(self.weight, like, lambda weight: _spread(weight * (self.scale / 4)))


class UpConv(Resampling):
    """Transposed convolution to twice the size: [B, inputs, H, W] → [B, outputs, 2 H, 2 W]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__((inputs, outputs), inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.taps(x), self.bias, stride=2, padding=1)


class DownConv(Resampling):
    """Convolution to half the size: [B, inputs, H, W] → [B, outputs, H / 2, W / 2]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__((outputs, inputs), inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.taps(x), self.bias, stride=2, padding=1)


class Up(nn.Module):
    """Each pixel four times: [B, C, H, W] → [B, C, 2 H, 2 W]."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0, mode="nearest")


class DoubledConv(nn.Sequential):
    """`Up`, a 3 × 3 `Conv`, `Blur`; the first two in one, with 4 products of an output in the place of 9."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(Up(), Conv(inputs, outputs, 3), Blur(outputs))

    def forward(self, x: Tensor) -> Tensor:
        conv = cast(Conv, self[1]).conv
        made: Tensor = self[2](F.conv_transpose2d(x, conv.taps(x), conv.bias, stride=2, padding=1))
        return made


class Blur(nn.Module):
    """Each channel filtered with [1 2 1]ᵀ[1 2 1] / 16; outside is 0. [B, C, H, W] → same

    The release keeps the kernel twice for every channel, and so do its state dicts.
    """

    weight: Tensor
    weight_flip: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        kernel = torch.outer(line, line).expand(channels, 1, 3, 3)
        self.register_buffer("weight", kernel.clone())
        self.register_buffer("weight_flip", kernel.clone())

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight.to(x.dtype), padding=1, groups=x.shape[1])


class PixelNorm(nn.Module):
    """z / rms(z), over the last dimension. [B, C] → [B, C]"""

    def forward(self, z: Tensor) -> Tensor:
        return z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)


class NoiseGain(nn.Module):
    """How strongly each channel takes up a noise map; scaled as a weight with `channels` inputs."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight_orig = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.scale = math.sqrt(2 / channels)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """x [B, C, h, w] plus the noise [B, 1, h, w] times the gains."""
        return torch.addcmul(x, self.weight_orig.to(x.dtype), noise.to(x.dtype), value=self.scale)


class AdaIN(nn.Module):
    """Instance norm whose scale and shift come from a style: x [B, C, h, w], w [B, style_dim] → [B, C, h, w]."""

    def __init__(self, channels: int, style_dim: int) -> None:
        super().__init__()
        self.style = Linear(style_dim, 2 * channels)
        assert self.style.linear.bias is not None
        with torch.no_grad():
            self.style.linear.bias[:channels] = 1

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        scale, shift = self.style(w).to(x.dtype).chunk(2, dim=1)
        # normalising, scaling and shifting in one pass: as a batch norm over one sample with B · C channels
        planes = x.reshape(1, batch * channels, height, width)
        made = F.batch_norm(
            planes, None, None, scale.reshape(-1), shift.reshape(-1), training=True, momentum=0.0, eps=EPS
        )
        return made.reshape(x.shape)

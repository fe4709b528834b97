"""StyleGAN2's residual discriminator (Karras et al. 2020, section 4.1), with the common port's parameter names."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from cinegan_cli.nn.stylegan2.generator import GeneratorConfig
from cinegan_cli.nn.stylegan2.layers import Activation, Blur, EqualConv2d, EqualLinear, at_least_float32

GROUP = 4  # samples over which the minibatch deviation is taken


class _Residual(nn.Module):
    """[B, inputs, h, w] → [B, outputs, h / 2, w / 2]"""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1 = nn.Sequential(EqualConv2d(inputs, inputs, 3, padding=1), Activation(inputs))
        self.conv2 = nn.Sequential(Blur(padding=2), EqualConv2d(inputs, outputs, 3, stride=2), Activation(outputs))
        self.skip = nn.Sequential(Blur(padding=1), EqualConv2d(inputs, outputs, 1, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(self.conv1(x)) + self.skip(x)
        return y / math.sqrt(2)


class Discriminator(nn.Module):
    """Picture [B, 3, size, size] in [-1, 1] → logit [B, 1], positive for real."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        last = config.last_index
        finest, coarsest = config.channels(last), config.channels(2)
        blocks = [_Residual(config.channels(k), config.channels(k - 2)) for k in range(last, 2, -2)]
        self.convs = nn.Sequential(nn.Sequential(EqualConv2d(3, finest, 1), Activation(finest)), *blocks)
        self.final_conv = nn.Sequential(EqualConv2d(coarsest + 1, coarsest, 3, padding=1), Activation(coarsest))
        self.final_linear = nn.Sequential(EqualLinear(coarsest * 16, coarsest, activate=True), EqualLinear(coarsest, 1))

    def forward(self, picture: Tensor) -> Tensor:
        """Raises ValueError when the picture has another size than the network was made for."""
        size = self.config.size
        if picture.ndim != 4 or picture.shape[1:] != (3, size, size):
            raise ValueError(f"picture must be [*, 3, {size}, {size}], got {list(picture.shape)}")
        x: Tensor = self.convs(picture.contiguous(memory_format=torch.channels_last))
        x = self.final_conv(torch.cat((x, _deviation(x)), 1))
        logit: Tensor = self.final_linear(x.flatten(1))
        return logit


def _deviation(x: Tensor) -> Tensor:
    """Mean deviation of x [B, C, h, w] within groups of up to GROUP samples, as one channel [B, 1, h, w].

    Groups are as large as the batch allows: the largest divisor of B up to GROUP. Samples i, i + B / group, … make one.
    """
    batch, _, height, width = x.shape
    group = max(n for n in range(1, GROUP + 1) if batch % n == 0)
    exact = at_least_float32(x).reshape(group, batch // group, -1)
    deviation = (exact.var(0, correction=0) + 1e-8).sqrt().mean(1)  # [B / group]
    return deviation.repeat(group).view(batch, 1, 1, 1).expand(-1, 1, height, width).to(x.dtype)

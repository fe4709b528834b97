"""The blocks of deep residual networks (He et al. 2015), under torchvision's names."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

EXPANSION = 4  # output channels of a block over its inner ones


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions around a shortcut: [B, inputs, h, w] → [B, 4 width, h / stride, w / stride].

    The 3x3 convolution has the stride. Keys: conv1-3, bn1-3 and, where shapes change, downsample.0 and .1.
    """

    def __init__(self, inputs: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        outputs = EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def bottlenecks(inputs: int, width: int, blocks: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """A layer of a ResNet: the first block has the stride.

    With a dilation the layer keeps its resolution in place of a stride: the first block's 3x3 convolution reads at half
    of it, as it would have before it was strided.
    """
    first = Bottleneck(inputs, width, stride, max(1, dilation // 2))
    rest = (Bottleneck(EXPANSION * width, width, 1, dilation) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)

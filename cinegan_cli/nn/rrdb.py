"""Super-resolution by 4 that also looks at a sharp picture of the same place: DeepLandscape's, built on ESRGAN's.

Residual dense blocks (RRDB; Wang et al. 2018) give features of a frame at four times its size. The reference's own
features, through the guided filter, lend them its edges where nothing moves; masks of what moves and of what does not
say where, and two convolutions blend (Logacheva et al. 2020, and their release). Keys are the release's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegan_cli.nn.ade20k import Segmenter, SegmenterConfig
from cinegan_cli.nn.guided import guided_filter

SCALE = 4
RESIDUAL = 0.2  # what a block adds is scaled by this
EPSILON = 1e-3  # of the guided filter
RADIUS, TRAINING_RADIUS = 20, 10
# ADE20k's numbers of what moves (sky, water, sea, river, fountain, swimming pool, waterfall) and of what does not
DYNAMIC = (2, 21, 26, 60, 104, 109, 113)
STATIC = (
    *(0, 1, 4, 6, 9, 11, 12, 13, 16, 20, 25, 29, 34, 38, 42, 46, 48, 53, 56, 61, 66, 68, 69, 76, 83, 84, 87, 94),
    *(103, 126, 127),
)


@dataclass(frozen=True)
class SuperResolverConfig:
    """Shape of the network; stored beside the weights. The defaults are the release's.

    Without `segmenter` masks have to be given. `spare`: hold the tensors of the release's file that nothing reads.
    """

    features: int = 64
    blocks: int = 23
    growth: int = 32
    segmenter: SegmenterConfig | None = field(default_factory=SegmenterConfig)
    spare: bool = True

    def as_dict(self) -> dict[str, Any]:
        """For the header of a file."""
        return asdict(self)


def super_resolver_of(config: Mapping[str, Any]) -> SuperResolver:
    """The network that a weights file's header describes. Raises KeyError or TypeError for another's."""
    inner = config["segmenter"]
    segmenter = None if inner is None else SegmenterConfig(**{**inner, "blocks": tuple(inner["blocks"])})
    return SuperResolver(SuperResolverConfig(**{**config, "segmenter": segmenter}))


class DenseBlock(nn.Module):
    """Five 3x3 convolutions, each on all that came before it. [B, features, h, w] → same"""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.conv1 = _conv3(features, growth)
        self.conv2 = _conv3(features + growth, growth)
        self.conv3 = _conv3(features + 2 * growth, growth)
        self.conv4 = _conv3(features + 3 * growth, growth)
        self.conv5 = _conv3(features + 4 * growth, features)

    def forward(self, x: Tensor) -> Tensor:
        known = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            known = torch.cat((known, _leaky(conv(known))), 1)
        return torch.add(x, self.conv5(known), alpha=RESIDUAL)


class ResidualDenseBlock(nn.Module):
    """Three dense blocks around a shortcut. [B, features, h, w] → same"""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.RDB1 = DenseBlock(features, growth)
        self.RDB2 = DenseBlock(features, growth)
        self.RDB3 = DenseBlock(features, growth)

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.RDB3(self.RDB2(self.RDB1(x))), alpha=RESIDUAL)


class RRDBNet(nn.Module):
    """rgb [B, 3, h, w] in [0, 1] → features [B, features, 4 h, 4 w], as they are before ESRGAN's last convolution.

    `picture` gives its picture [B, 3, 4 h, 4 w]: what the network does without a reference.
    """

    def __init__(self, features: int = 64, blocks: int = 23, growth: int = 32) -> None:
        super().__init__()
        self.conv_first = _conv3(3, features)
        self.RRDB_trunk = nn.Sequential(*(ResidualDenseBlock(features, growth) for _ in range(blocks)))
        self.trunk_conv = _conv3(features, features)
        self.upconv1 = _conv3(features, features)
        self.upconv2 = _conv3(features, features)
        self.HRconv = _conv3(features, features)
        self.conv_last = _conv3(features, 3)

    def forward(self, rgb: Tensor) -> Tensor:
        x = self.conv_first(rgb)
        x = x + self.trunk_conv(self.RRDB_trunk(x))
        for conv in (self.upconv1, self.upconv2):
            x = _leaky(conv(F.interpolate(x, scale_factor=2, mode="nearest")))
        return _leaky(self.HRconv(x))

    def picture(self, rgb: Tensor) -> Tensor:
        y: Tensor = self.conv_last(self(rgb))
        return y


class SuperResolver(nn.Module):
    """`(frame [B, 3, h, w], reference [B, 3, 4 h, 4 w]) -> [B, 3, 4 h, 4 w]`, rgb in [0, 1], the result not clipped.

    `masks` [B, 2, 4 h, 4 w] in [0, 1] say how little moves, and how surely not; by default they are its own,
    `.masks(reference)`. They depend on the reference alone: for many frames, compute them once. Windows of the guided
    filter are smaller in training, as in the release.
    """

    def __init__(self, config: SuperResolverConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SuperResolverConfig()
        features = config.features
        self.net = RRDBNet(features, config.blocks, config.growth)
        self.conv_ref = _conv3(3, features, bias=False)
        self.enhancement1 = _conv3(4 * features, features, bias=False)
        self.enhancement2 = _conv3(features, 3, bias=False)
        self.binary_mask = None if config.segmenter is None else Segmenter(config.segmenter)
        if config.spare:
            self.conv_last = _conv3(features, 3)
            self.binary_mask_upconv = _conv3(1, 1)
            self.linear_gdf1, self.linear_gdf2 = nn.Linear(1024, 1024), nn.Linear(1024, 128)

    def forward(self, frame: Tensor, reference: Tensor, masks: Tensor | None = None) -> Tensor:
        """Raises ValueError where the reference is not four times as large, or masks are needed and not given."""
        wanted = (len(frame), 3, SCALE * frame.shape[2], SCALE * frame.shape[3])
        if tuple(reference.shape) != wanted:
            raise ValueError(f"reference must be {wanted}, got {tuple(reference.shape)}")
        return self.blend(self.net(frame), reference, self.masks(reference) if masks is None else masks)

    def masks(self, reference: Tensor) -> Tensor:
        """1 - P(what moves) and P(what does not) of rgb [B, 3, H, W] in [0, 1], not normalised: [B, 2, H, W]."""
        if self.binary_mask is None:
            raise ValueError("masks must be given: this network has none of its own")
        moving, still = self.binary_mask.shares(reference, (DYNAMIC, STATIC)).unbind(1)
        return torch.stack((1 - moving, still), 1)

    def blend(self, features: Tensor, reference: Tensor, masks: Tensor) -> Tensor:
        """The picture from a frame's features [B, features, 4 h, 4 w] and the reference."""
        radius = TRAINING_RADIUS if self.training else RADIUS
        guide = _leaky(self.conv_ref(reference))
        guided = guided_filter(guide, features, radius, EPSILON)
        still, sure = masks[:, :1], masks[:, 1:]
        parts = (still * guided, (1 - still) * features, sure * guided, (1 - sure) * features)
        x = _leaky(self.enhancement1(_leaky(torch.cat(parts, 1))))
        y: Tensor = self.enhancement2(x)
        return y


def _conv3(inputs: int, outputs: int, *, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)

"""The seer: one network that says what is in a landscape, what of it moves, where to and how fast.

An EfficientNet-Lite encoder, a light decoder with one attention block over the whole scene, and heads for kinds
(`types.KINDS`), heading, axis and pace (`types.Sight`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegan_cli.nn.backbone import STRIDE, BackboneConfig, EfficientNetLite

CLASSES = 10  # kinds
USUAL_PACE = -4.0  # ln of widths per second that the pace head starts from: 18 thousandths


@dataclass(frozen=True)
class SeerConfig:
    """Shape of the network; stored in the header of its weights file."""

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    widths: tuple[int, ...] = (48, 64, 96, 128)  # channels of the decoder at 1/4, 1/8, 1/16, 1/32
    heads: int = 4  # of the attention
    side: int = 384  # long side, in pixels, of the photo as the network sees it

    def as_dict(self) -> dict[str, Any]:
        """For the header of a file."""
        return asdict(self)


def seer_of(config: Mapping[str, Any]) -> Seer:
    """The network that a weights file's header describes. Raises KeyError, TypeError or ValueError for another's."""
    own = {**config, "backbone": BackboneConfig(**config["backbone"]), "widths": tuple(config["widths"])}
    return Seer(SeerConfig(**own))


@dataclass(frozen=True)
class Seen:
    """Raw outputs [B, ·, H/4, W/4]: `kinds` 10 logits; `heading`, `axis` 2, of length < 1; `pace` 1, ln(widths/s).

    `coarse` are the logits of kinds at 1/16, for a second loss in training.
    """

    kinds: Tensor
    heading: Tensor
    axis: Tensor
    pace: Tensor
    coarse: Tensor


class Seer(nn.Module):
    """rgb [B, 3, H, W] in [0, 1], sides multiples of 32 → `Seen`."""

    def __init__(self, config: SeerConfig) -> None:
        super().__init__()
        self.config = config
        w = config.widths
        self.encoder = EfficientNetLite(config.backbone)
        self.lateral = nn.ModuleList([nn.Conv2d(a, b, 1) for a, b in zip(self.encoder.widths, w, strict=True)])
        self.attention = Attention(w[-1], config.heads)
        self.reduce = nn.ModuleList([nn.Conv2d(b, a, 1) for a, b in pairwise(w)])
        self.blend = nn.ModuleList([Blend(a) for a in w[:-1]])
        self.dropout = nn.Dropout2d(0.1)
        self.kinds = nn.Conv2d(w[0], CLASSES, 1)
        self.coarse = nn.Conv2d(w[2], CLASSES, 1)
        self.moves = nn.Sequential(nn.Conv2d(w[1], w[1], 3, 1, 1), nn.ReLU(), nn.Conv2d(w[1], 5, 1))

    def forward(self, rgb: Tensor) -> Seen:
        features = self.encoder(rgb.flip((2, 3)))
        maps = [lateral(f) for lateral, f in zip(self.lateral, features, strict=True)]
        x = self.attention(maps[-1])
        coarse = middle = x
        for k in (2, 1, 0):
            x = F.interpolate(self.reduce[k](x), scale_factor=2, mode="bilinear", antialias=True)
            x = self.blend[k](x + maps[k])
            if k == 2:
                coarse = x
            if k == 1:
                middle = x
        moves = F.interpolate(self.moves(self.dropout(middle)), scale_factor=2, mode="bilinear", antialias=True)
        heading, axis, pace = moves[:, :2], moves[:, 2:4], moves[:, 4:]
        turned = (
            self.kinds(self.dropout(x)),
            _within_circle(heading),
            _within_circle(axis),
            pace + USUAL_PACE,
            self.coarse(self.dropout(coarse)),
        )
        return Seen(*(part.flip((2, 3)) for part in turned))


def _within_circle(v: Tensor) -> Tensor:
    """Vectors [B, 2, h, w] of any length → of the same direction and a length under 1."""
    return v / torch.sqrt(1 + v.square().sum(1, keepdim=True))


class Blend(nn.Module):
    """Two 3x3 convolutions around a shortcut; [B, C, h, w] → same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.first = nn.Conv2d(width, width, 3, 1, 1)
        self.second = nn.Conv2d(width, width, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(F.relu(self.first(F.relu(self.norm(x)))))
        return x + y


class Attention(nn.Module):
    """One transformer block over all places, told where they are: what a place is depends on the whole scene."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.places = nn.Conv2d(width + 4, width, 1)
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.contract = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:  # [B, C, h, w], turned → same
        batch, channels, height, width = x.shape
        down = torch.linspace(1, -1, height).to(x).view(1, 1, -1, 1).expand(batch, 1, height, width)
        across = torch.linspace(1, -1, width).to(x).view(1, 1, 1, -1).expand(batch, 1, height, width)
        place = torch.cat((down, down * down, across, across * across), 1)
        tokens = self.places(torch.cat((x, place), 1)).flatten(2).transpose(1, 2)  # [B, h w, C]
        qkv = self.qkv(self.norm(tokens)).view(batch, height * width, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2]).transpose(1, 2).reshape(tokens.shape)
        tokens = tokens + self.out(mixed)
        change: Tensor = tokens + self.contract(F.gelu(self.expand(self.mlp_norm(tokens))))
        return x + change.transpose(1, 2).reshape(batch, channels, height, width)


def network_size(width: int, height: int, side: int) -> tuple[int, int]:
    """(width, height) of the network's input: about `side` on the long side, the aspect kept up to multiples of 32."""
    scale = side / max(width, height)
    return max(STRIDE, round(width * scale / STRIDE) * STRIDE), max(STRIDE, round(height * scale / STRIDE) * STRIDE)

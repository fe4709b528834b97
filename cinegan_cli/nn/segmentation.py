"""A compact network that labels every pixel of a landscape photo: static, sky or water.

It is small because it is told what a small data set cannot teach: `scene_features` computes colour, texture and layout
statistics of the whole photo, and they enter beside the pixels. Training and inference share this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = ("static", "sky", "water")
STRIDE = 32  # sides of the input are multiples of this
FEATURES = 45  # channels of `scene_features`


@dataclass(frozen=True)
class SegmentationConfig:
    """Shape of the network; stored in the header of its weights file."""

    widths: tuple[int, ...] = (16, 40, 72, 96, 128)  # channels at 1/2, 1/4, 1/8, 1/16, 1/32 of the input
    heads: int = 4  # attention heads at 1/32
    context_blocks: int = 2  # attention blocks at 1/32
    side: int = 256  # long side, in pixels, of the photo as the network sees it


def network_size(width: int, height: int, side: int) -> tuple[int, int]:
    """(width, height) of the network's input: about `side` on the long side, the aspect kept up to multiples of 32."""
    scale = side / max(width, height)
    return max(STRIDE, round(width * scale / STRIDE) * STRIDE), max(STRIDE, round(height * scale / STRIDE) * STRIDE)


def _box(x: Tensor, radius: int) -> Tensor:
    """Mean over (2 radius + 1)² pixels, counting only pixels inside the picture. [B, C, h, w] → same."""
    radius_y, radius_x = min(radius, x.shape[2] - 1), min(radius, x.shape[3] - 1)
    size = (2 * radius_y + 1, 2 * radius_x + 1)
    # two passes: avg_pool2d costs the window's area, 31 × 31 at 160 × 120 is 15 ms against 1 ms
    x = F.avg_pool2d(x, (size[0], 1), 1, (radius_y, 0), count_include_pad=False)
    return F.avg_pool2d(x, (1, size[1]), 1, (0, radius_x), count_include_pad=False)


def to_lab(rgb: Tensor) -> Tensor:
    """sRGB in [0, 1] [B, 3, H, W] → CIE L*a*b* (D65) divided by 100."""
    # the sRGB curve as a cubic, within 0.003 of it and four times faster than the power
    linear = rgb * (rgb * (rgb * 0.305306011 + 0.682171111) + 0.012522878)
    matrix = linear.new_tensor(
        [[0.43395, 0.37622, 0.18983], [0.21267, 0.71515, 0.07217], [0.01776, 0.10948, 0.87277]]
    )  # sRGB → XYZ, each row divided by the white point
    xyz = torch.einsum("ij,bjhw->bihw", matrix, linear)
    root = torch.where(xyz > 0.008856, xyz.clamp_min(0.008856) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = root.unbind(1)
    return torch.stack((1.16 * y - 0.16, 5 * (x - y), 2 * (y - z)), 1)


def _geodesic(cost: Tensor, start: Tensor, steps: int = 64) -> Tensor:
    """Cheapest path over `cost` [B, 1, h, w] from where `start` [1, 1, h, w] is 0 (else large); 4-neighbours."""
    distance = start.expand_as(cost)
    for _ in range(steps):
        padded = F.pad(distance, (1, 1, 1, 1), value=1e4)
        around = torch.minimum(
            torch.minimum(padded[:, :, :-2, 1:-1], padded[:, :, 2:, 1:-1]),
            torch.minimum(padded[:, :, 1:-1, :-2], padded[:, :, 1:-1, 2:]),
        )
        distance = torch.minimum(distance, around + cost)
    return distance


def _layout_features(lab: Tensor, energy: Tensor) -> list[Tensor]:
    """Where a pixel lies in the scene: position, edges summed from above and below, paths to the borders.

    lab [B, 3, h, w]; energy [B, 1, h, w], the gradient's magnitude.
    """
    batch, _, height, width = lab.shape
    y = torch.linspace(-1, 1, height).to(lab).view(1, 1, -1, 1).expand(batch, 1, height, width)
    x = torch.linspace(-1, 1, width).to(lab).view(1, 1, 1, -1).expand(batch, 1, height, width)
    smooth = _box(energy, 1)
    down = smooth.cumsum(2) / height
    up = smooth.flip(2).cumsum(2).flip(2) / height
    highest = smooth.cummax(2).values
    step = F.max_pool2d(energy, 2, ceil_mode=True) + 0.01  # [B, 1, h/2, w/2]
    far = torch.full_like(step[:1], 1e3)
    from_top, from_bottom = far.clone(), far.clone()
    from_top[:, :, 0], from_bottom[:, :, -1] = 0, 0
    paths = torch.cat((_geodesic(step, from_top), _geodesic(step, from_bottom)), 1)
    paths = F.interpolate(paths, size=(height, width), mode="bilinear")
    rows = max(1, height // 10)
    top = lab[:, :, :rows].mean((2, 3), keepdim=True)
    bottom = lab[:, :, -rows:].mean((2, 3), keepdim=True)
    row_mean = lab.mean(3, keepdim=True)
    row_std = lab[:, :1].std(3, keepdim=True).expand(batch, 1, height, width)
    return [
        y,
        x.abs(),
        torch.full_like(y, height / (height + width) * 2 - 1),
        3 * down,
        3 * up,
        4 * highest,
        paths.clamp_max(4),
        3 * _length(lab - top),
        3 * _length(lab - bottom),
        3 * (lab - row_mean),
        4 * row_std,
    ]


def _local(x: Tensor, radius: int) -> Tensor:
    """Mean over about (2 radius + 1)² pixels; wide windows are taken on a smaller picture, as exact means are slow."""
    factor = max(1, (radius + 1) // 3)
    if factor == 1:
        return _box(x, radius)
    small = _box(F.avg_pool2d(x, factor, ceil_mode=True, count_include_pad=False), max(1, round(radius / factor)))
    return F.interpolate(small, size=x.shape[2:], mode="bilinear")


def _texture_features(lab: Tensor) -> tuple[list[Tensor], Tensor]:
    """Local contrast, orientation and grain at several scales, and the gradient's magnitude, all at a quarter's size.

    lab [B, 3, H, W] → maps [B, ·, H/4, W/4], magnitude [B, 1, H/4, W/4].
    """
    light = F.pad(lab[:, :1], (1, 1, 1, 1), mode="replicate")
    left, right = light[:, :, 1:-1, :-2], light[:, :, 1:-1, 2:]
    above, below = light[:, :, :-2, 1:-1], light[:, :, 2:, 1:-1]
    dx, dy = (right - left) / 2, (below - above) / 2
    grain = lab[:, :1] - (left + right + above + below) / 4
    xx, yy = dx * dx, dy * dy
    magnitude = F.avg_pool2d((xx + yy + 1e-8).sqrt(), 4)
    products = F.avg_pool2d(torch.cat((xx, yy, dx * dy, grain * grain), 1), 4)
    maps = []
    for radius in (0, 2, 6):
        xx, yy, xy, gg = (_local(products, radius) if radius else products).chunk(4, 1)
        total = xx + yy + 1e-5
        maps += [_log(xx), _log(yy), _log(gg), (xx - yy) / total, 2 * xy / total]
    return maps, magnitude


def _log(energy: Tensor) -> Tensor:
    """Energies of 1e-6 (noise) to 1e-1 (edges) brought to about [-1, 1]."""
    return (energy + 1e-6).log10() / 2.5 + 1.4


def _length(vectors: Tensor) -> Tensor:
    """[B, C, h, w] → [B, 1, h, w]; ten times faster than `norm` over channels."""
    return (vectors * vectors).sum(1, keepdim=True).sqrt()


def scene_features(rgb: Tensor) -> Tensor:
    """Statistics that tell sky and water from land: colour, texture, orientation, layout.

    rgb [B, 3, H, W] in [0, 1], H and W multiples of 4 → float32 [B, FEATURES, H/4, W/4], each about in [-2, 2].
    """
    full = to_lab(rgb.float())
    texture, energy = _texture_features(full)
    lab = F.avg_pool2d(full, 4)
    squares = F.avg_pool2d(full * full, 4)
    mean = lab.mean((2, 3), keepdim=True)
    spread = lab.std((2, 3), keepdim=True) + 0.02
    chroma = _length(lab[:, 1:])
    maps = [2 * lab[:, :1] - 1, 3 * lab[:, 1:], 3 * chroma, (lab - mean) / spread]
    for radius in (1, 4, 11):
        local, local_squares = _local(torch.cat((lab, squares), 1), radius).chunk(2, 1)
        variance = (local_squares - local * local).clamp_min(0)
        maps += [4 * (lab[:, :1] - local[:, :1]), _log(variance[:, :1]), _log(variance[:, 1:].sum(1, keepdim=True))]
    return torch.cat((*maps, *texture, *_layout_features(lab, energy)), 1).clamp(-4, 4)


class _Residual(nn.Module):
    """Two 3×3 convolutions around a shortcut; the first may change size and width."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, bias=False)
        self.pool = nn.Identity() if stride == 1 else nn.AvgPool2d(stride)

    def forward(self, x: Tensor) -> Tensor:  # [B, inputs, h, w] → [B, outputs, h/stride, w/stride]
        y = F.relu(self.first_norm(self.first(x)))
        y = self.second_norm(self.second(y))
        shortcut: Tensor = self.shortcut(self.pool(x))
        return F.relu(y + shortcut)


class _Context(nn.Module):
    """One attention block over all places of the coarsest map: what a place is depends on the whole scene."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.reduce = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:  # [B, places, C] → same
        batch, places, width = x.shape
        qkv = self.qkv(self.norm(x)).view(batch, places, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2]).transpose(1, 2).reshape(batch, places, width)
        x = x + self.out(mixed)
        change: Tensor = self.reduce(F.gelu(self.expand(self.mlp_norm(x))))
        return x + change


def network_of(config: Mapping[str, Any]) -> SegmentationNet:
    """The network that a weights file's header describes."""
    return SegmentationNet(SegmentationConfig(**{**config, "widths": tuple(config["widths"])}))


class SegmentationNet(nn.Module):
    """U-Net on pixels and scene features, with attention at its coarsest level.

    Input: rgb [B, 3, H, W] in [0, 1], sides multiples of 32. Output: logits [B, 3, H/2, W/2] of `CLASSES`; pixel areas
    are matched (half of the input's pixel grid).
    """

    def __init__(self, config: SegmentationConfig) -> None:
        super().__init__()
        self.config = config
        w = config.widths
        self.stem = nn.Conv2d(12, w[0], 3, 1, 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(w[0])
        self.top = _Residual(w[0], w[0])
        self.merge = nn.Conv2d(4 * w[0] + FEATURES, w[1], 1, bias=False)
        self.merge_norm = nn.BatchNorm2d(w[1])
        self.encoder = nn.ModuleList(
            [nn.Sequential(_Residual(w[1], w[1]), _Residual(w[1], w[1]))]
            + [nn.Sequential(_Residual(a, b, 2), _Residual(b, b)) for a, b in pairwise(w[1:])]
        )
        self.places = nn.Conv2d(w[-1] + 3, w[-1], 1)
        self.context = nn.Sequential(*[_Context(w[-1], config.heads) for _ in range(config.context_blocks)])
        self.lateral = nn.ModuleList([nn.Conv2d(a, b, 1, bias=False) for a, b in zip(w[1:], w[:-1], strict=True)])
        self.decoder = nn.ModuleList([_Residual(b, b) for b in w[:-1]])
        self.dropout = nn.Dropout2d(0.1)
        self.head = nn.Conv2d(w[0], len(CLASSES), 1)
        self.coarse_head = nn.Conv2d(w[2], len(CLASSES), 1)

    def forward(self, rgb: Tensor) -> Tensor:
        return self.both(rgb)[0]

    def both(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """Logits at 1/2 and, for a second loss in training, at 1/8 of the input's size."""
        with torch.no_grad(), torch.autocast(rgb.device.type, enabled=False):
            features = scene_features(rgb).contiguous(memory_format=torch.channels_last)
            x = F.pixel_unshuffle(2 * rgb - 1, 2).contiguous(memory_format=torch.channels_last)
        x = self.top(F.relu(self.stem_norm(self.stem(x))))  # [B, w0, H/2, W/2]
        skips = [x]
        x = torch.cat((F.pixel_unshuffle(x, 2), features.to(x.dtype)), 1)
        x = F.relu(self.merge_norm(self.merge(x)))  # [B, w1, H/4, W/4]
        for level in self.encoder:
            x = level(x)
            skips.append(x)
        x = self._attend(skips.pop())
        coarse = x
        for k in reversed(range(len(skips))):
            x = F.interpolate(self.lateral[k](x), scale_factor=2, mode="bilinear")
            x = self.decoder[k](x + skips[k])
            if k == 2:
                coarse = x
        return self.head(self.dropout(x)), self.coarse_head(self.dropout(coarse))

    def _attend(self, x: Tensor) -> Tensor:  # [B, C, h, w] → same
        batch, _, height, width = x.shape
        y = torch.linspace(-1, 1, height).to(x).view(1, 1, -1, 1).expand(batch, 1, height, width)
        across = torch.linspace(-1, 1, width).to(x).view(1, 1, 1, -1).expand(batch, 1, height, width)
        tokens = self.places(torch.cat((x, y, y * y, across.abs()), 1)).flatten(2).transpose(1, 2)
        seen: Tensor = self.context(tokens)  # [B, h w, C]
        return x + seen.transpose(1, 2).reshape(x.shape)

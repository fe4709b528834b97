"""Per-pixel classifiers on a generator's features: static, sky or water.

`docs/spec/stylecinegan.md`, sections 3.3 and 4. Ten small perceptrons vote. What they read, D10 … D18 resized to one
grid and concatenated, would be 1.5 GB at 512²; it is never made, because a linear layer commutes with resizing:
Linear(concat_i(up(D_i))) = Σ_i up(Linear_i(D_i)).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

N_CLASSES = 3  # static, sky, water
STRIP_BYTES = 2**26  # of the first layer's outputs, all members together


@dataclass(frozen=True)
class ClassifierConfig:
    """Shape of one classifier; stored beside the weights. The defaults are the release's."""

    channels: int = 1472  # of D10 … D18 together
    hidden: tuple[int, int] = (128, 32)


class PixelClassifier(nn.Module):
    """`(features [P, channels]) -> logits [P, 3]`, for P pixels."""

    def __init__(self, config: ClassifierConfig | None = None):
        super().__init__()
        self.config = config = config or ClassifierConfig()
        first, second = config.hidden
        self.layers = nn.Sequential(
            nn.Linear(config.channels, first),
            nn.ReLU(),
            nn.BatchNorm1d(first),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.BatchNorm1d(second),
            nn.Linear(second, N_CLASSES),
        )

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layers(features)
        return logits

    def folded(self) -> list[tuple[Tensor, Tensor]]:
        """(weight, bias) of the three linear layers, each running-statistics norm merged into the layer after it."""
        linear = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        norms = [layer for layer in self.layers if isinstance(layer, nn.BatchNorm1d)]
        result: list[tuple[Tensor, Tensor]] = [(linear[0].weight, linear[0].bias)]
        for norm, after in zip(norms, linear[1:], strict=True):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            shift = norm.bias - norm.running_mean * scale
            result.append((after.weight * scale, after.bias + after.weight @ shift))
        return result


class ClassifierEnsemble(nn.ModuleList):
    """Several classifiers of one shape, evaluated together on feature maps; state-dict keys `0.layers.…`, `1.layers.…`.

    For inference: batch norms use their running statistics in every mode, and no gradients are kept.
    """

    def __init__(self, members: Iterable[PixelClassifier]):
        super().__init__(members)
        if len({member.config for member in self.members()}) != 1:
            raise ValueError("members must be one or more classifiers of the same shape")

    def members(self) -> list[PixelClassifier]:
        """The classifiers, in order."""
        return [member for member in self if isinstance(member, PixelClassifier)]

    @torch.no_grad()
    def forward(self, features: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Logits of all members on a grid of `size` = (h, w), float32 [members, B, 3, h, w].

        `features[i]` [B, C_i, H_i, W_i] are resized to it (bilinear, pixel areas matched) and their channels taken in
        order, C_i adding up to the members' channels: else ValueError. The peak is about 200 MB above the features.
        """
        channels = self.members()[0].config.channels
        if sum(x.shape[1] for x in features) != channels:
            raise ValueError(f"features must have {channels} channels together, got {[x.shape[1] for x in features]}")
        with torch.autocast(features[0].device.type, enabled=False):
            return self._logits(features, size)

    def _logits(self, features: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        layers = [
            (torch.stack([weight for weight, _ in layer]), torch.stack([bias for _, bias in layer])[:, :, None])
            for layer in zip(*(member.folded() for member in self.members()), strict=True)
        ]
        batch = features[0].shape[0]
        logits = layers[0][0].new_empty(len(self), batch, N_CLASSES, *size)
        outputs = layers[0][1].numel()
        rows = max(1, STRIP_BYTES // (4 * outputs * size[1]))
        buffer = logits.new_empty(outputs * min(rows, size[0]) * size[1])  # shared: a new one costs its page faults
        for b in range(batch):
            pictures = [x[b] for x in features]
            for top in range(0, size[0], rows):
                strip = range(top, min(top + rows, size[0]))
                logits[:, b, :, strip.start : strip.stop] = _strip_logits(layers, pictures, size, strip, buffer)
        return logits

    @staticmethod
    def vote(logits: Tensor) -> tuple[Tensor, Tensor]:
        """Majority vote of the members about one picture: logits [members, 1, 3, h, w] → (classes, share).

        `classes` [h, w] is 0 static, 1 sky, 2 water, the lower number in a tie; `share` [3, h, w] the part of the
        members that chose each. Raises ValueError for more than one picture.
        """
        if logits.ndim != 5 or logits.shape[1] != 1:
            raise ValueError(f"logits must be [members, 1, classes, h, w], got {list(logits.shape)}")
        choices = logits[:, 0].argmax(1)  # [members, h, w]
        share = torch.stack([(choices == k).float().mean(0) for k in range(logits.shape[2])])
        # the first of equal maxima: torch leaves open which one argmax gives
        best = share == share.amax(0)
        return best.to(torch.uint8).cumsum(0).eq(0).sum(0), share


def _strip_logits(
    layers: Sequence[tuple[Tensor, Tensor]],
    features: Sequence[Tensor],
    size: tuple[int, int],
    strip: range,
    buffer: Tensor,
) -> Tensor:
    """Rows `strip` of all members' logits, [members, 3, rows, w]. Features [C_i, H_i, W_i]; `buffer` is scratch."""
    (weight, bias), *rest = layers
    pixels = len(strip) * size[1]
    hidden = buffer[: bias.numel() * pixels].view(bias.numel(), len(strip), size[1])
    hidden.copy_(bias.view(-1, 1, 1))
    _add_first_layer(hidden, weight.flatten(0, 1), features, size, strip)
    x = hidden.view(len(weight), -1, pixels)  # [members, 128, pixels]
    for weight, bias in rest:
        x = torch.baddbmm(bias, weight, x.relu_())
    return x.view(len(x), N_CLASSES, len(strip), size[1])


def _add_first_layer(
    total: Tensor, weight: Tensor, features: Sequence[Tensor], size: tuple[int, int], strip: range
) -> None:
    """total += Σ_i up(Linear_i(D_i)) on rows `strip`: [outputs, rows, w], weight [outputs, channels]."""
    parts = torch.split(weight, [len(x) for x in features], 1)
    for sides in sorted({(x.shape[1], x.shape[2]) for x in features}):
        rows, taps = _row_weights(sides[0], size[0], strip, weight)
        group = [
            (part, x[:, rows.start : rows.stop].to(weight.dtype))
            for part, x in zip(parts, features, strict=True)
            if x.shape[1:] == sides
        ]
        if sides[0] * sides[1] < size[0] * size[1]:  # it has fewer pixels before resizing than after
            small = weight.new_zeros(len(total), len(rows), sides[1])
            _project(small, group)
            total.baddbmm_(taps.expand(len(total), -1, -1), _resize_columns(small, size[1]))
        else:
            _project(total, [(part, x if sides == size else taps @ _resize_columns(x, size[1])) for part, x in group])


def _project(total: Tensor, group: Sequence[tuple[Tensor, Tensor]]) -> None:
    """total += Σ part · x: [outputs, rows, w], pairs of [outputs, C], [C, rows, w]."""
    for part, x in group:
        # flattening gives a view of a feature, contiguous or channels last: copies took a quarter of the time
        total.flatten(1).addmm_(part, x.flatten(1))


def _resize_columns(x: Tensor, width: int) -> Tensor:
    """[C, rows, W] → [C, rows, width], linear along the rows."""
    return F.interpolate(x[None], (x.shape[1], width), mode="bilinear")[0]


def _row_weights(source: int, target: int, strip: range, like: Tensor) -> tuple[range, Tensor]:
    """Source rows that rows `strip` of `target` are interpolated from, and the weights [strip, those rows]."""
    position = (torch.arange(strip.start, strip.stop, device=like.device) + 0.5) * (source / target) - 0.5
    position = position.clamp(0, source - 1)
    first = position.floor().long()
    rows = range(int(first[0]), int(position[-1].ceil()) + 1)
    grid = torch.arange(rows.start, rows.stop, device=like.device)
    return rows, (1 - (position[:, None] - grid).abs()).clamp_min(0).to(like.dtype)

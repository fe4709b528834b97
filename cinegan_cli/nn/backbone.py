"""EfficientNet-Lite as a feature extractor: the ImageNet encoder under the seer.

MBConv blocks without squeeze-and-excitation, ReLU6, the stem not scaled (Tan & Le 2019; the Lite variants). Batch norm
is folded into the convolutions. The released weights were trained with TensorFlow's SAME padding, which pads the far
side of a strided window more than the near one; with picture and kernels turned by 180 degrees, equal padding gives the
same numbers, so `EfficientNetLite` holds turned kernels and works on turned pictures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 32  # sides of the input are multiples of this
_EPSILON = 1e-3  # of the released batch norms


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_LEVELS = (1, 2, 4, 6)  # stages whose outputs are the features at 1/4, 1/8, 1/16 and 1/32


@dataclass(frozen=True)
class BackboneConfig:
    """Factors on channels and repeats: Lite0 is (1.0, 1.0), Lite2 (1.1, 1.2)."""

    width: float = 1.0
    depth: float = 1.0


VARIANTS: Mapping[str, BackboneConfig] = {"lite0": BackboneConfig(), "lite2": BackboneConfig(1.1, 1.2)}


def _channels(base: int, width: float) -> int:
    """`base` scaled and rounded to a multiple of 8, never more than 10 % down."""
    scaled = base * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


class MBConv(nn.Module):
    """Expand (1x1), depthwise, project (1x1); the input is added where shapes allow. [B, C, h, w] → same, or half."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = nn.Conv2d(inputs, inner, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(inner, inner, kernel, stride, kernel // 2, groups=inner)
        self.project = nn.Conv2d(inner, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand is None else F.relu6(self.expand(x))
        y: Tensor = self.project(F.relu6(self.depthwise(inner)))
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """Turned rgb [B, 3, H, W] in [0, 1], sides multiples of 32 → turned features at 1/4, 1/8, 1/16 and 1/32.

    `widths` are the channels of the four. Turned: flipped along both axes, as `picture.flip((2, 3))`.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2, 1)
        stages, inputs = [], 32
        for number, stage in enumerate(_STAGES):
            outputs = _channels(stage.channels, config.width)
            ends = number in (0, len(_STAGES) - 1)
            blocks = []
            for k in range(stage.repeats if ends else math.ceil(stage.repeats * config.depth)):
                blocks.append(MBConv(inputs, outputs, stage.kernel, stage.stride if k == 0 else 1, stage.expansion))
                inputs = outputs
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.widths = tuple(_channels(_STAGES[n].channels, config.width) for n in _LEVELS)

    def forward(self, rgb: Tensor) -> list[Tensor]:
        x = F.relu6(self.stem((rgb * 255 - 127) / 128))
        features = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in _LEVELS:
                features.append(x)
        return features

    def early(self) -> list[nn.Module]:
        """The parts up to 1/4, whose edges and colours need no training."""
        return [self.stem, *self.stages[:2]]


def from_released(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of `EfficientNetLite` from a released classifier's, batch norm folded, kernels turned.

    Raises KeyError where a tensor is missing.
    """
    out: dict[str, Tensor] = {}
    _fold(out, "stem", state, "_conv_stem", "_bn0")
    number = 0
    last = max(int(key.split(".")[1]) for key in state if key.startswith("_blocks."))
    starts = _starts(state, last + 1)
    for stage, first in enumerate(starts):
        end = starts[stage + 1] if stage + 1 < len(starts) else last + 1
        for number in range(first, end):
            here, there = f"stages.{stage}.{number - first}", f"_blocks.{number}"
            if f"{there}._expand_conv.weight" in state:
                _fold(out, f"{here}.expand", state, f"{there}._expand_conv", f"{there}._bn0")
            _fold(out, f"{here}.depthwise", state, f"{there}._depthwise_conv", f"{there}._bn1")
            _fold(out, f"{here}.project", state, f"{there}._project_conv", f"{there}._bn2")
    return out


def _starts(state: Mapping[str, Tensor], count: int) -> list[int]:
    """Numbers of the blocks that begin a stage: those that change the channels."""
    widths = [state[f"_blocks.{k}._project_conv.weight"].shape[0] for k in range(count)]
    return [k for k in range(count) if k == 0 or widths[k] != widths[k - 1]]


def _fold(out: dict[str, Tensor], name: str, state: Mapping[str, Tensor], conv: str, norm: str) -> None:
    factor = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + _EPSILON)
    out[f"{name}.weight"] = (state[f"{conv}.weight"] * factor[:, None, None, None]).flip((2, 3))
    out[f"{name}.bias"] = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * factor

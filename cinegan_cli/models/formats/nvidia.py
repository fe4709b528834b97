"""StyleGAN2 generators in NVIDIA's naming (`synthesis.b64.conv0.weight`) → the common port's names and layout.

Both describe the same network. NVIDIA's upsampling convolution correlates the zero-stuffed input with the kernel
turned by 180 degrees, which is torch's transposed convolution with the kernel as stored; so weights carry over
unchanged. Biases of the modulation are stored as they are added (about 1) in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from cinegan_cli.nn.stylegan2 import BLUR


def is_nvidia(state: Mapping[str, Tensor]) -> bool:
    """Whether the keys are those of NVIDIA's networks."""
    return "synthesis.b4.const" in state


def to_port(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict under the port's names. Raises KeyError for a missing tensor, ValueError for other forms."""
    sizes = sorted({int(m.group(1)) for key in state if (m := re.match(r"synthesis\.b(\d+)\.", key))})
    if sizes != [4 * 2**i for i in range(len(sizes))]:
        raise ValueError(f"sizes {sizes}")
    if f"synthesis.b{sizes[-1]}.skip.weight" in state:
        raise ValueError("residual connections")
    out = {"input.input": state["synthesis.b4.const"][None]}
    count = sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", key)) for key in state)
    for i in range(count):
        for part in ("weight", "bias"):
            out[f"style.{i + 1}.{part}"] = state[f"mapping.fc{i}.{part}"]
    _layer(out, state, "synthesis.b4.conv1", "conv1", "noises.noise_0", up=False)
    _to_rgb(out, state, "synthesis.b4.torgb", "to_rgb1", up=False)
    for level, size in enumerate(sizes[1:]):
        for n, up in ((0, True), (1, False)):
            number = 2 * level + n
            _layer(out, state, f"synthesis.b{size}.conv{n}", f"convs.{number}", f"noises.noise_{number + 1}", up=up)
        _to_rgb(out, state, f"synthesis.b{size}.torgb", f"to_rgbs.{level}", up=True)
    return out


def _layer(out: dict[str, Tensor], state: Mapping[str, Tensor], old: str, new: str, noise: str, *, up: bool) -> None:
    out[f"{new}.conv.weight"] = state[f"{old}.weight"][None]
    out[f"{new}.conv.modulation.weight"] = state[f"{old}.affine.weight"]
    out[f"{new}.conv.modulation.bias"] = state[f"{old}.affine.bias"]
    out[f"{new}.noise.weight"] = state[f"{old}.noise_strength"].reshape(1)
    out[f"{new}.activate.bias"] = state[f"{old}.bias"]
    out[noise] = state[f"{old}.noise_const"][None, None]
    if up:
        out[f"{new}.conv.blur.kernel"] = _kernel()


def _to_rgb(out: dict[str, Tensor], state: Mapping[str, Tensor], old: str, new: str, *, up: bool) -> None:
    out[f"{new}.conv.weight"] = state[f"{old}.weight"][None]
    out[f"{new}.conv.modulation.weight"] = state[f"{old}.affine.weight"]
    out[f"{new}.conv.modulation.bias"] = state[f"{old}.affine.bias"]
    out[f"{new}.bias"] = state[f"{old}.bias"].view(1, -1, 1, 1)
    if up:
        out[f"{new}.upsample.kernel"] = _kernel()


def _kernel() -> Tensor:
    """The upsampling filter: the outer product of [1, 3, 3, 1] / 8, times 4."""
    taps = torch.tensor(BLUR) / sum(BLUR)
    return 4 * taps[:, None] * taps[None, :]

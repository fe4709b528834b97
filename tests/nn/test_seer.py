"""The seer and its encoder: shapes, the released weights' folding, and what outputs promise."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.nn.backbone import STRIDE, BackboneConfig, EfficientNetLite, MBConv, from_released
from cinegan_cli.nn.seer import Seer, SeerConfig, network_size, seer_of


def released(net: EfficientNetLite, seed: int) -> dict[str, Tensor]:
    """A classifier's state in the released naming, with random values, for the shapes of `net`."""
    rng = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}

    def convolution(name: str, norm: str, like: Tensor) -> None:
        state[f"{name}.weight"] = torch.randn(like.shape, generator=rng) * (2 / like[0].numel()) ** 0.5
        for part, centre in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            state[f"{norm}.{part}"] = centre + 0.1 * torch.rand(like.shape[0], generator=rng)

    convolution("_conv_stem", "_bn0", net.stem.weight)
    for number, block in enumerate(block for stage in net.stages for block in stage):
        assert isinstance(block, MBConv)
        if block.expand is not None:
            convolution(f"_blocks.{number}._expand_conv", f"_blocks.{number}._bn0", block.expand.weight)
        convolution(f"_blocks.{number}._depthwise_conv", f"_blocks.{number}._bn1", block.depthwise.weight)
        convolution(f"_blocks.{number}._project_conv", f"_blocks.{number}._bn2", block.project.weight)
    return state


def same_padded(x: Tensor, weight: Tensor, stride: int, groups: int = 1) -> Tensor:
    """TensorFlow's SAME: what does not divide evenly is padded on the far side."""
    pads = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + weight.shape[2] - size, 0)
        pads += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, pads), weight, stride=stride, groups=groups)


def test_folded_encoder_is_the_released_one_with_its_padding() -> None:
    net = EfficientNetLite(BackboneConfig()).eval()
    state = released(net, 0)
    net.load_state_dict(from_released(state))
    rgb = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))

    def unit(x: Tensor, conv: str, norm: str, stride: int = 1, groups: int = 1) -> Tensor:
        y = same_padded(x, state[f"{conv}.weight"], stride, groups)
        parts = (state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(y, *parts, eps=1e-3)

    x = F.relu6(unit((rgb * 255 - 127) / 128, "_conv_stem", "_bn0", 2))
    for number, block in enumerate(block for stage in net.stages for block in stage):
        assert isinstance(block, MBConv)
        name, y = f"_blocks.{number}", x
        if block.expand is not None:
            y = F.relu6(unit(y, f"{name}._expand_conv", f"{name}._bn0"))
        stride = block.depthwise.stride[0]
        y = F.relu6(unit(y, f"{name}._depthwise_conv", f"{name}._bn1", stride, y.shape[1]))
        y = unit(y, f"{name}._project_conv", f"{name}._bn2")
        x = x + y if block.residual else y
    with torch.inference_mode():
        turned = net(rgb.flip((2, 3)))
    assert [f.shape[2:] for f in turned] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert torch.allclose(turned[-1].flip((2, 3)), x, rtol=1e-3, atol=1e-3)


def test_outputs_have_their_shapes_and_ranges() -> None:
    torch.manual_seed(0)
    net = Seer(SeerConfig(widths=(8, 8, 16, 16))).eval()
    with torch.inference_mode():
        seen = net(torch.rand(2, 3, 64, 96))
    assert seen.kinds.shape == (2, 10, 16, 24)
    assert seen.pace.shape == (2, 1, 16, 24)
    for vectors in (seen.heading, seen.axis):
        assert vectors.shape == (2, 2, 16, 24)
        assert float(vectors.norm(dim=1).max()) < 1


def test_a_header_builds_the_network_again() -> None:
    config = SeerConfig(BackboneConfig(1.1, 1.2), (8, 8, 16, 16), 2, 128)
    assert seer_of(config.as_dict()).config == config
    with pytest.raises(KeyError):
        seer_of({"side": 128})


@pytest.mark.parametrize("size", [(4000, 3000), (300, 900), (32, 32), (9000, 100)])
def test_input_sizes_are_multiples_of_the_stride(size: tuple[int, int]) -> None:
    width, height = network_size(*size, 384)
    assert width % STRIDE == height % STRIDE == 0
    assert max(width, height) == 384

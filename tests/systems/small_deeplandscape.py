"""A small seeded DeepLandscape generator, and a perceptual distance in two random layers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.nn.vgg import Perceptual
from cinegan_cli.systems.deeplandscape import Networks

LEVELS = 4  # 32 px
STYLES = 32


class SmallPerceptual(Perceptual):
    """Two convolutions and their ReLUs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, 2, padding=1)

    def activations(self, images: Tensor) -> list[Tensor]:
        first = F.relu(self.first(images))
        return [first, F.relu(self.second(first))]


class SmallEncoder(nn.Module):
    """The mean colour to styles."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, LEVELS * STYLES)

    def forward(self, photo: Tensor) -> Tensor:
        w: Tensor = self.linear(photo.mean(dim=(2, 3))).view(len(photo), LEVELS, 1, STYLES)
        return w.expand(-1, -1, 2, -1)


def small_networks(*, encoder: bool = True) -> Networks:
    torch.manual_seed(0)
    generator = Generator(levels=LEVELS, style_dim=STYLES, multiplier=1 / 16, mapping_layers=2)
    for name, gain in generator.named_parameters():
        if ".noise" in name:
            nn.init.normal_(gain, std=3)
    perceptual = SmallPerceptual()
    for module in (generator, perceptual):
        module.eval().requires_grad_(False)
    chosen = SmallEncoder().requires_grad_(False) if encoder else None
    return Networks("small", generator, LEVELS, torch.zeros(STYLES), perceptual, "two random layers", chosen)


def landscape(height: int, width: int) -> Tensor:
    """A bright sky above dark textured land, [3, H, W] in [0, 1]."""
    random = torch.Generator().manual_seed(1)
    picture = torch.empty(3, height, width)
    picture[:, : height // 2] = torch.tensor([0.5, 0.7, 0.9])[:, None, None]
    picture[:, height // 2 :] = 0.2 + 0.2 * torch.rand(3, height - height // 2, width, generator=random)
    return picture

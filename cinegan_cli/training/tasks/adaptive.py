"""Adaptive discriminator augmentation (Karras et al. 2020b): pictures are disturbed as much as overfitting asks for."""

from __future__ import annotations

import math

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

INTERVAL = 4  # steps between two changes of the probability
SHIFT = 0.125  # largest translation, as a share of the side
SCALE_DEVIATION = 0.2  # of log2 of the scale
BRIGHTNESS, CONTRAST, SATURATION = 0.2, 0.5, 1.0  # deviations; the last two of log2


class AdaptiveAugment(nn.Module):
    """Disturbs pictures [B, 3, H, W], each kind of change with probability `p`, which follows the verdicts on real
    ones.

    All changes can be undone in distribution while p < 0.8 (section 2.2 of the paper), so G does not learn them. `p`
    and the verdicts since its last change are buffers: they are part of a checkpoint.
    """

    p: Tensor
    signs: Tensor

    def __init__(self, target: float, pictures: int):
        super().__init__()
        self.target, self.pictures = target, pictures
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("signs", torch.zeros(2))  # sum and number

    def observe(self, logits: Tensor) -> None:
        """Note what the discriminator said of real pictures."""
        signs = logits.detach().sign().float()
        self.signs += torch.stack((signs.sum(), torch.tensor(float(signs.numel()), device=signs.device)))

    def adapt(self, step: int) -> None:
        """Every few steps: more augmentation if the discriminator is too sure of real pictures, else less."""
        if self.pictures == 0 or step % INTERVAL != INTERVAL - 1:
            return
        if dist.is_initialized():
            dist.all_reduce(self.signs)
        total, count = self.signs.tolist()
        if count:
            change = math.copysign(count / self.pictures, total / count - self.target)
            self.p.copy_((self.p + change).clamp(0, 1))
        self.signs.zero_()

    def forward(self, pictures: Tensor) -> Tensor:
        """The pictures, disturbed; themselves at p = 0. Differentiable. Draws from torch's own random numbers.

        Pictures may come as [B, frames, 3, H, W]; those of a sample are then disturbed alike.
        """
        p = float(self.p)
        if p == 0:
            return pictures
        if pictures.ndim == 4:
            alone: Tensor = self(pictures[:, None])
            return alone[:, 0]
        batch, frames = pictures.shape[:2]
        flat = pictures.flatten(0, 1)
        matrix = _geometry(batch, p).repeat_interleave(frames, 0).to(flat.device)
        moved = resampled(flat, F.affine_grid(matrix, list(flat.shape), align_corners=False))
        colours = _colours(batch, p).repeat_interleave(frames, 0).to(flat)
        made = torch.einsum("bij,bjhw->bihw", colours[:, :, :3], moved) + colours[:, :, 3, None, None]
        return made.view(batch, frames, *made.shape[1:])


def resampled(pictures: Tensor, grid: Tensor) -> Tensor:
    """`F.grid_sample`, bilinear with reflection, of pictures [B, C, H, W] at grid [B, h, w, 2] → [B, C, h, w].

    R1 needs the derivative of a derivative, which `grid_sample` itself has only in newer versions of torch.
    """
    (batch, channels, height, width), (rows, columns) = pictures.shape, grid.shape[1:3]
    sides = torch.tensor([width, height], device=grid.device)
    away = ((grid + 1) * sides / 2).abs() % (2 * sides)  # from the left and upper edge
    place = (torch.minimum(away, 2 * sides - away) - 0.5).clamp(min=0).minimum(sides - 1)  # x, y in px
    corner = place.floor()
    share = (place - corner).to(pictures.dtype)
    flat = pictures.flatten(2)
    total = torch.zeros((), dtype=pictures.dtype, device=pictures.device)
    for down in (0, 1):
        for right in (0, 1):
            x, y = (corner.long() + torch.tensor([right, down], device=grid.device)).minimum(sides - 1).unbind(-1)
            index = (y * width + x).view(batch, 1, -1).expand(-1, channels, -1)
            votes = share[..., 0].sub(1 - right).abs() * share[..., 1].sub(1 - down).abs()
            total = total + votes[:, None] * flat.gather(2, index).view(batch, channels, rows, columns)
    return total


def _geometry(batch: int, p: float) -> Tensor:
    """[B, 2, 3]: mirror, quarter turns, scale, shift. Cropping first, as in the paper, is in the shift's reflection."""
    mirror = torch.where(_chosen(batch, p), 1 - 2 * torch.randint(0, 2, (batch,)).float(), torch.ones(batch))
    quarters = torch.where(_chosen(batch, p), torch.randint(0, 4, (batch,)).float(), torch.zeros(batch))
    scale = torch.where(_chosen(batch, p), torch.exp2(SCALE_DEVIATION * torch.randn(batch)), torch.ones(batch))
    shift = torch.where(_chosen(batch, p)[:, None], (torch.rand(batch, 2) * 2 - 1) * 2 * SHIFT, torch.zeros(batch, 2))
    cosine, sine = torch.cos(quarters * math.pi / 2), torch.sin(quarters * math.pi / 2)
    rows = torch.stack((mirror * cosine, -sine, mirror * sine, cosine), 1).view(batch, 2, 2) * scale[:, None, None]
    return torch.cat((rows, shift[:, :, None]), 2)


def _colours(batch: int, p: float) -> Tensor:
    """[B, 3, 4]: brightness, contrast and saturation of pictures in [-1, 1]."""
    brightness = torch.where(_chosen(batch, p), BRIGHTNESS * torch.randn(batch), torch.zeros(batch))
    contrast = torch.where(_chosen(batch, p), torch.exp2(CONTRAST * torch.randn(batch)), torch.ones(batch))
    saturation = torch.where(_chosen(batch, p), torch.exp2(SATURATION * torch.randn(batch)), torch.ones(batch))
    grey = torch.full((3, 3), 1 / 3)
    matrix = contrast[:, None, None] * (grey + saturation[:, None, None] * (torch.eye(3) - grey))
    return torch.cat((matrix, brightness[:, None, None].expand(-1, 3, 1)), 2)


def _chosen(batch: int, p: float) -> Tensor:
    return torch.rand(batch) < p

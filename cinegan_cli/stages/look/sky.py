"""A look's sky: painted colours under the photo's own relief, and their reflection on land and water."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.stages.bands import collapse, pyramid
from cinegan_cli.stages.look.colour import lab_of
from cinegan_cli.stages.look.looks import Sky
from cinegan_cli.stages.look.statistics import BRIGHT
from cinegan_cli.stages.look.transfer import RAMP_BLUR, RAMP_SAMPLES, _bent, step
from cinegan_cli.types import Bands


@dataclass(frozen=True)
class PaintedSky:
    """A sky's colours at a place: the ramp [3, RAMP_SAMPLES] over elevation, the glow, and the sun's column."""

    ramp: Tensor
    glow: Tensor | None
    look: Sky
    sun: float
    horizon: float
    span: float
    width: int

    def rows(self, first: int, last: int, *, mirrored: float = 0.0) -> Tensor:
        """Colours OKLab [3, last - first, W] of these rows, or of those below the horizon as a mirror.

        `mirrored` > 0 is the number of rows over which the reflected sky rises.
        """
        device = self.ramp.device
        y = torch.arange(first, last, device=device, dtype=torch.float32)
        rise = (y - self.horizon) / mirrored if mirrored else (self.horizon - y) / self.span
        rise = rise.clamp(0, 1)
        at = rise * (RAMP_SAMPLES - 1)
        low = at.floor().clamp(max=RAMP_SAMPLES - 2).long()
        colours = torch.lerp(self.ramp[:, low], self.ramp[:, low + 1], at - low)[:, :, None].expand(-1, -1, self.width)
        if self.glow is None:
            return colours
        high, wide = self.look.glow_size
        x = torch.arange(self.width, device=device, dtype=torch.float32) / self.width
        near = torch.exp(-((rise / high) ** 2))[:, None] * torch.exp(-(((x - self.sun) / wide) ** 2))[None]
        return torch.lerp(colours, self.glow[:, None, None], self.look.glow_amount * near)


def paint_sky(look: Sky, sun: float, *, horizon: float, span: float, width: int, device: torch.device) -> PaintedSky:
    """The painted sky `look` over a picture of `width` px, its sun at the part `sun` of the width."""
    stops = torch.tensor([lab_of(colour) for _, colour in look.ramp])  # [n, 3]
    places = torch.tensor([place for place, _ in look.ramp])
    x = torch.linspace(0, 1, RAMP_SAMPLES)
    k = torch.searchsorted(places, x).clamp(1, len(places) - 1)
    t = ((x - places[k - 1]) / (places[k] - places[k - 1])).clamp(0, 1)
    ramp = torch.lerp(stops[k - 1], stops[k], t[:, None]).T.contiguous()
    reach = round(3 * RAMP_BLUR * RAMP_SAMPLES)
    kernel = torch.exp(-((torch.arange(-reach, reach + 1) / (RAMP_BLUR * RAMP_SAMPLES)) ** 2) / 2)
    padded = F.pad(ramp[:, None], (reach, reach), mode="replicate")
    smooth = F.conv1d(padded, (kernel / kernel.sum())[None, None])[:, 0]
    glow = None if look.glow is None else torch.tensor(lab_of(look.glow), device=device)
    return PaintedSky(smooth.to(device), glow, look, sun, horizon, span, width)


@dataclass(frozen=True)
class Relief:
    """What stays of a photo's sky: `base` [3, h, w] at a small size, plus `gains` (L, a, b) times the sky itself."""

    base: Tensor
    gains: Tensor


def relief(lab: Tensor, share: Tensor, level: float, look: Sky) -> Relief:
    """The bands of the sky's OKLab `lab` [3, h, w] that a painted sky keeps; share [h, w] says where it shows.

    The photo's own vertical course is taken out of its coarsest band, or a sunset's would come twice; what is left of
    it (a lighter side, a large cloud) and the finer bands are kept, in proportion to the new lightness, of mean
    `level`.
    """
    levels = list(pyramid(lab).levels)
    coarse = levels[0]
    seen = F.interpolate(share[None, None], size=coarse.shape[1:], mode="area")[0] + 0.02
    levels[0] = coarse - (coarse * seen).sum(2, keepdim=True) / seen.sum(2, keepdim=True)
    bright = float((lab[0] * share).sum() / share.sum().clamp(min=1e-6))
    ratio = max(0.3, min(1.3, level / max(bright, 0.05)))

    def gains(lightness: float, colour: float) -> Tensor:
        return torch.tensor([lightness * ratio, colour, colour], device=lab.device).view(3, 1, 1)

    kept = [levels[0] * gains(look.coarse, 0.4 * look.own), *(x * gains(look.detail, look.own) for x in levels[1:])]
    fine = gains(look.grain * min(1.0, look.detail), look.own)
    return Relief(collapse(Bands(tuple(kept))) - fine * lab, fine)


def painted(lab: Tensor, base: Tensor, gains: Tensor, colours: Tensor, look: Sky) -> Tensor:
    """The sky OKLab [3, n, W] with its large-scale colour replaced by `colours` [3, n, W]; clouds stay, and are lit."""
    change = base + gains * lab
    raised = torch.tanh(change[0] * 6)  # lighter or darker than around
    out = colours + change
    light, dark = raised.clamp(min=0), -raised.clamp(max=0)
    lightness = torch.where(out[0] > BRIGHT, BRIGHT + _bent(out[0] - BRIGHT, 0.5, 1 - BRIGHT), out[0])
    a = out[1] + light * look.lit[0] + dark * look.shade[0]
    b = out[2] + light * look.lit[1] + dark * look.shade[1]
    return torch.stack((lightness, a, b))


def mirrored(lab: Tensor, land: Tensor, water: Tensor, colours: Tensor, look: Sky, top: float) -> Tensor:
    """Water [n, W] that mirrors the painted sky: OKLab [3, n, W] `land` as toned, `lab` as it was, `colours` mirrored.

    Water takes the sky's colour everywhere, its light where it is light itself: reflections of land stay dark.
    top is the lightness of the water's lightest tenth.
    """
    bright = (lab[0] / max(top, 0.05)).clamp(0, 1.4)
    bright = bright / (1 + bright**6) ** (1 / 6) * 2 ** (1 / 6)  # 1 stays 1; sparkle is bent towards 1.12
    share = water * look.mirror
    light = share * step(bright, 0.2, 0.9)
    colour = share * (0.55 + 0.45 * step(bright, 0.2, 0.9))
    lightness = torch.lerp(land[0], colours[0] * (0.12 + 0.86 * bright), light)
    depth = (lightness / colours[0].clamp(min=0.05)).clamp(0, 1)
    a = torch.lerp(land[1], colours[1] * depth, colour)
    b = torch.lerp(land[2], colours[2] * depth, colour)
    return torch.stack((lightness, a, b))

"""Dynamic noise maps in motion, by homographies or by a motion field, and in a loop.

Beyond the paper, whose maps are warped with mirrored borders: each map lies in an endless world of noise with its own
mean and std (`worlds`), so what comes in is new, and the same whenever it is looked at. Frame 0 is the map itself, and
what follows leaves it no faster than it goes on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.errors import InputError
from cinegan_cli.systems.deeplandscape.homography import homographies, is_proper, logarithm, project
from cinegan_cli.systems.deeplandscape.noise import moments, restandardised
from cinegan_cli.systems.deeplandscape.worlds import Source, World, crossing, mixture

BLEND = 0.08  # share of the picture's height over which sky passes into ground
DEPTHS = (0.5, 2.0)  # of a place, 1 where it was: nearer than that noise is stretched too far, beyond it is squeezed
LEAST_MOVING = 0.01  # share of a cell: what moves less is not taken along
FEW = 64  # cells of a side whose own mean and deviation count half, the whole map's the other half
LONGEST = 1000.0  # frames that are looked ahead


class HomographyMover:
    """Moves `maps` (each [B, 1, h, w], of any shape) by the homographies of `shifts` [4, 2], per 1/30 s.

    `horizon` is in [0, 1] from the top. Speeds are those of the shorter side of the picture, along both sides. What
    comes in is drawn from `seed`. Mean and std of a map stay what they are. `moving` [H, W] in [0, 1], of any size,
    says what moves, by default everything; the rest stays as it is, and noise that comes from behind it is new.

    Noise that comes near or goes far is stretched or squeezed. So it lives for `reach` frames at most, while it is
    mixed with noise that will not have been moved at the end of them; where nothing comes near that is never.

    Raises InputError for shifts that fold a picture with this horizon or cannot be undone.
    """

    def __init__(
        self,
        maps: Sequence[Tensor],
        shifts: Tensor,
        horizon: float,
        *,
        moving: Tensor | None = None,
        seed: int = 0,
    ) -> None:
        self.maps, self.horizon, self.seed = list(maps), horizon, seed
        height, width = maps[-1].shape[2:]
        short = min(height, width)
        scaled = shifts.double() * torch.tensor([short / width, short / height], dtype=torch.float64)
        if not is_proper(scaled, horizon):
            raise InputError(
                f"the homography folds a picture whose horizon is at {horizon:.0%} of its height, or cannot be undone; "
                "make its shifts smaller"
            )
        self._sides = [logarithm(side) for side in homographies(scaled, horizon)]
        self.reach = _reach(self._sides, horizon)
        self._moving = [moving_of(own, moving) for own in maps]
        rows = [_rows_of(own, horizon, share) for own, share in zip(maps, self._moving, strict=True)]
        self._means, self._deviations = [mean for mean, _ in rows], [deviation for _, deviation in rows]
        self._places = [_places(own) for own in maps]
        self._lives: dict[int, list[list[_Side | None]]] = {}

    def __call__(self, n: float) -> list[Tensor]:
        """The maps at time `n` in frames, negative and broken ones included; at 0 those it was made for."""
        return self.at(n, self.reach)

    def at(self, n: float, span: float, lives: int | None = None) -> list[Tensor]:
        """The maps at time `n` of noise that lives for `span` frames; after so many `lives` the first comes again."""
        if n == 0:
            return self.maps
        if math.isinf(span):
            mixed = self._sources(n, 0)
        else:
            life, phase = int(n // span), n % span / span
            start = self._sources(phase * span, life)
            end = self._sources((phase - 1) * span, life + 1 if lives is None else (life + 1) % lives)
            mixed = [
                [source for pair in zip(a, b, strict=True) for source in crossing(*pair, phase)]
                for a, b in zip(start, end, strict=True)
            ]
        return [self._finished(level, its) for level, its in enumerate(mixed)]

    def _finished(self, level: int, sources: list[Source]) -> Tensor:
        """What moves, mixed with what stays, with the mean and the std of the map."""
        own, mean, moving = self.maps[level], self._means[level], self._moving[level]
        sources = [replace(source, weight=source.weight * moving) for source in sources]
        if bool((moving < 1).any()):
            sources.append(Source(own - mean, grid_of(own), 1 - moving))
        return restandardised(mixture(sources) + mean, own, moving)

    def origins(self, n: float) -> Tensor:
        """Where the cells of the finest map are taken from after `n` frames, in cells (x, y): [h, w, 2]."""
        sources = self._sources(n, 0)[-1]
        own = grid_of(self.maps[-1])
        weights = [torch.as_tensor(source.weight)[..., None].expand(*own.shape[:2], 1) for source in sources]
        return sum((s.origins * w for s, w in zip(sources, weights, strict=True)), torch.zeros_like(own))

    def _sources(self, n: float, life: int) -> list[list[Source]]:
        """What the maps of each level are mixed from, `n` frames after they were not moved: sky and ground."""
        if life not in self._lives:
            self._lives[life] = [self._worlds(level, life) for level in range(len(self.maps))]
        matrices = [torch.matrix_exp(n * side) for side in self._sides]
        return [
            [side.source(matrix, places, life) for side, matrix in zip(sides, matrices, strict=True) if side]
            for sides, places in zip(self._lives[life], self._places, strict=True)
        ]

    def _worlds(self, level: int, life: int) -> list[_Side | None]:
        """Those of the photo's own map, or of other noise like it."""
        seed = (self.seed + level + 1000 * life) % 2**63
        own, moving, deviation = self.maps[level] - self._means[level], self._moving[level], self._deviations[level]
        known = moving > LEAST_MOVING if life == 0 else torch.zeros_like(moving, dtype=torch.bool)
        return _sides(continued(own, seed, deviation, known), self.horizon)


def moving_of(own: Tensor, moving: Tensor | None) -> Tensor:
    """How much each cell of a map moves, [h, w] in [0, 1]: `moving` [H, W] on its grid."""
    if moving is None:
        return own.new_ones(own.shape[2:])
    return F.interpolate(moving[None, None].to(own), own.shape[2:], mode="area")[0, 0].clamp(0, 1)


def _rows_of(own: Tensor, horizon: float, moving: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of what moves, in every row of a map: those of the sky and those of the ground, [B, 1, h, 1].

    Few cells say little; the map's own mean and deviation make up for them.
    """
    sky = sky_share(own.shape[2], horizon).to(own)[:, None]
    mean = deviation = torch.zeros_like(own[..., :1])
    usual, spread = moments(own, moving)
    for share in (sky, 1 - sky):
        its = moving * (share > 0.5)
        trust = float(its.sum() / (its.sum() + FEW))
        middle, width = moments(own, its)
        mean = mean + share * torch.lerp(usual, middle, trust)
        deviation = deviation + share * spread ** (1 - trust) * width**trust
    return mean, deviation


def _reach(sides: Sequence[Tensor], horizon: float) -> float:
    """For how many frames, either way, no place comes nearer or goes farther than `DEPTHS`; infinity beyond `LONGEST`.

    `sides` are the matrices' logarithms. Places are the corners of the sky and of the ground.
    """
    row = 2 * horizon - 1
    places = torch.tensor(
        [[[-1, -1, 1], [1, -1, 1], [-1, row, 1], [1, row, 1]], [[-1, row, 1], [1, row, 1], [-1, 1, 1], [1, 1, 1]]],
        dtype=torch.float64,
    )
    n = 1.0
    while n < LONGEST:
        further = n * 1.1
        for way in (further, -further):
            depths = torch.cat([p @ torch.matrix_exp(way * side)[2] for p, side in zip(places, sides, strict=True)])
            if float(depths.min()) < DEPTHS[0] or float(depths.max()) > DEPTHS[1]:
                return n
        n = further
    return math.inf


def _places(still: Tensor) -> Tensor:
    """The cells of a map in normalised coordinates, [h, w, 2]. Pixel areas are matched, as between levels."""
    grid = grid_of(still)
    return (2 * grid + 1) / grid.new_tensor((still.shape[3], still.shape[2])) - 1


def grid_of(still: Tensor) -> Tensor:
    """The cells' own places (x, y): [h, w, 2]."""
    y, x = (torch.arange(side, dtype=still.dtype, device=still.device) for side in still.shape[2:])
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def sky_share(rows: int, horizon: float) -> Tensor:
    """How much of each row is the sky's: 1 above the horizon, 0 below, smooth over `BLEND` of the height. [rows]"""
    if horizon <= 0 or horizon >= 1:
        return torch.full((rows,), float(horizon >= 1))
    middle = (torch.arange(rows) + 0.5) / rows
    ramp = ((horizon - middle) / BLEND + 0.5).clamp(0, 1)
    return ramp * ramp * (3 - 2 * ramp)


@dataclass(frozen=True)
class _Side:
    """The sky's world or the ground's, and the `share` [h, 1] it has in rows `first` … `last` - 1; 0 elsewhere."""

    world: World
    first: int
    last: int
    share: Tensor

    def source(self, matrix: Tensor, places: Tensor, life: int) -> Source:
        """What it adds to a map whose cells are at `places` [h, w, 2] (`_places`), taken through `matrix`."""
        size = places.new_tensor((places.shape[1], places.shape[0]))
        rows = project(matrix.to(places), places[self.first : self.last])
        origins = torch.addcmul(size / 2 - 0.5, rows, size / 2)
        above, below = self.first, len(places) - self.last
        noise = F.pad(self.world.sample(origins), (0, 0, above, below))
        return Source(noise, F.pad(origins, (0, 0, 0, 0, above, below)), self.share, life)


def _sides(wide: Tensor, horizon: float) -> list[_Side | None]:
    """The sky and the ground of a map that is `continued`, alike in the rows that both draw; None where there is none.

    The ground's first row is the map's first row too: both count rows alike.
    """
    rows = wide.shape[2] // 2
    share = sky_share(rows, horizon).to(wide)[:, None]
    last, first = int((share > 0).sum()), rows - int((share < 1).sum())
    beside, fresh = wide[:, :, :rows], wide[:, :, rows:]
    above = torch.cat((beside[:, :, :last], fresh[:, :, rows - last :]), 2)
    below = torch.cat((beside[:, :, first:], fresh[:, :, : rows - first + 1]), 2).roll(first, 2)
    return [
        _Side(World.around(above), 0, last, share) if last else None,
        _Side(World.around(below), first, rows, 1 - share) if first < rows else None,
    ]


def continued(still: Tensor, seed: int, deviation: Tensor, known: Tensor) -> Tensor:
    """The `known` [h, w] cells of a map [B, 1, h, w] of mean 0 in seeded noise: [B, 1, 2 h + 1, 2 w + 1].

    `deviation` [B, 1, h, 1] is that of the noise in each row; below the map it is mirrored.
    """
    random = torch.Generator().manual_seed(seed)
    batch, _, height, width = still.shape
    wide = torch.randn(batch, 1, 2 * height + 1, 2 * width + 1, generator=random).to(still)
    wide = wide * torch.cat((deviation, deviation.flip(2), deviation[:, :, :1]), 2)
    wide[:, :, :height, :width] = torch.where(known, still, wide[:, :, :height, :width])
    return wide


def loop_maps(mover: HomographyMover, frame: float, frames: int, *, speed: float = 1.0) -> list[Tensor]:
    """The maps of frame `frame` of a loop of `frames`: those moved from its start, and those moved to its end, mixed.

    `speed` is in steps of 1/30 s per frame. Both are noise, so their mixture is noise as well, and a generator paints
    it as sharply as either: nothing is dissolved. Frames 0 and `frames` are the mover's own maps. The mixture keeps
    the std everywhere, also where both show the same because little moves.
    """
    whole = speed * frames
    lives = max(1, math.ceil(whole / mover.reach))
    return mover.at(speed * (frame % frames), whole / lives, lives)

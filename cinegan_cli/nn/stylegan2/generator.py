"""StyleGAN2 generator with skip connections, readable and writable at any of its features.

Features are numbered as in `docs/spec/stylecinegan.md`, section 1: D1 is the learned constant, D2 the 4² convolution,
then two per resolution, the first of which doubles the size. The picture is Σ_r Up(toRGB_r(D_r)) over the last feature
of each resolution, so toRGB's contributions ("bands") are all that is needed to warp it. State-dict keys are as
released.

Under bf16 autocast features differ from float32's by 0.9 % of their deviation (rms; the largest difference 6 %), fp16's
by 0.1 %; CPUs have no fast fp16 (17 s against 0.9). toRGB stays float32 without gradients; `docs/measurements.md` has
times and what is seen of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from cinegan_cli.nn.stylegan2.layers import EqualLinear, PixelNorm, StyledConv, ToRGB

Noise = Literal["stored", "none", "random"] | Sequence[Tensor]


@dataclass(frozen=True)
class GeneratorConfig:
    """Shape of a generator and its discriminator; stored beside the weights. The defaults are the release's."""

    size: int = 1024  # pixels a side, a power of two from 4 on
    style_dim: int = 512  # of z and w
    mapping_layers: int = 8
    channel_multiplier: float = 2  # a feature of side r has 16384 · multiplier / r channels, within max_channels
    mapping_lr: float = 0.01  # learning rate of the mapping network, relative to the rest
    max_channels: int = 512

    def __post_init__(self) -> None:
        if self.size < 4 or self.size & (self.size - 1):
            raise ValueError(f"size must be a power of two from 4 on, got {self.size}")
        for name in ("style_dim", "mapping_layers", "channel_multiplier", "mapping_lr", "max_channels"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")

    @property
    def last_index(self) -> int:
        """Number of the last feature: 18 for 1024 px."""
        return 2 * (self.size.bit_length() - 1) - 2

    @property
    def n_styles(self) -> int:
        """Rows of w+: 18 for 1024 px."""
        return self.last_index

    def side(self, index: int) -> int:
        """Cells on a side of D_index in a square picture."""
        return 4 if index == 1 else 2 ** (index // 2 + index % 2 + 1)

    def channels(self, index: int) -> int:
        """Channels of D_index."""
        return max(1, min(self.max_channels, int(16384 * self.channel_multiplier) // self.side(index)))


@dataclass(frozen=True)
class Features:
    """What a generator makes on the way to a picture."""

    levels: dict[int, Tensor]  # k → D_k [B, C_k, h_k, w_k], from the first one computed (or given) on
    rgb: tuple[
        Tensor, ...
    ]  # coarse to fine, each twice the size before: toRGB of the last D_k of a resolution [B, 3, h, w]


class _Constant(nn.Module):
    """The learned input, D1."""

    def __init__(self, channels: int):
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))


class Generator(nn.Module):
    """z → w → w+ → features → picture. Fully convolutional from any feature: grids need not be square."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        dim, first, last = config.style_dim, config.channels(2), config.last_index
        layers = [EqualLinear(dim, dim, lr=config.mapping_lr, activate=True) for _ in range(config.mapping_layers)]
        self.style = nn.Sequential(PixelNorm(), *layers)
        self.input = _Constant(first)
        self.conv1 = StyledConv(first, first, dim)
        self.to_rgb1 = ToRGB(first, dim, up=False)
        self.convs = nn.ModuleList(
            StyledConv(config.channels(k - 1), config.channels(k), dim, up=bool(k % 2)) for k in range(3, last + 1)
        )
        self.to_rgbs = nn.ModuleList(ToRGB(config.channels(k), dim) for k in range(4, last + 1, 2))
        self.noises = nn.Module()
        for k in range(2, last + 1):
            side = config.side(k)
            self.noises.register_buffer(f"noise_{k - 2}", torch.randn(1, 1, side, side))

    def mapping(self, z: Tensor) -> Tensor:
        """z [B, style_dim] of unit variance → w [B, style_dim]."""
        _check(z, "z", (None, self.config.style_dim))
        w: Tensor = self.style(z)
        return w

    @torch.no_grad()
    def mean_w(self, count: int, seed: int) -> Tensor:
        """Mean of w over `count` draws of z. → [style_dim]"""
        z = torch.randn(count, self.config.style_dim, generator=torch.Generator().manual_seed(seed))
        return self.mapping(z.to(self.input.input)).mean(0)

    def truncate(self, w: Tensor, mean: Tensor, psi: float) -> Tensor:
        """w [..., style_dim] drawn towards `mean` [style_dim]: all the way at psi = 0, unchanged at 1."""
        return mean + psi * (w - mean)

    def w_plus(self, w: Tensor, mixed: Tensor | None = None, crossover: int | None = None) -> Tensor:
        """One w [B, style_dim] for all layers, or style mixing: `mixed` from row `crossover` on.

        → [B, n_styles, style_dim]
        """
        _check(w, "w", (None, self.config.style_dim))
        n = self.config.n_styles
        rows = w[:, None].expand(-1, n, -1)
        if mixed is None:
            return rows
        _check(mixed, "mixed", (len(w), self.config.style_dim))
        if crossover is None or not 0 <= crossover <= n:
            raise ValueError(f"crossover must be in 0 … {n}, got {crossover}")
        return torch.cat((rows[:, :crossover], mixed[:, None].expand(-1, n - crossover, -1)), 1)

    def forward(self, w_plus: Tensor, *, noise: Noise = "stored", rng: torch.Generator | None = None) -> Tensor:
        """The same as `synthesize`."""
        return self.synthesize(w_plus, noise=noise, rng=rng)

    def synthesize(self, w_plus: Tensor, *, noise: Noise = "stored", rng: torch.Generator | None = None) -> Tensor:
        """w_plus [B, n_styles, style_dim] → picture [B, 3, size, size], about [-1, 1], not clamped."""
        return self.synthesize_from(self._constant(w_plus), w_plus, 1, noise=noise, rng=rng)

    def synthesize_from(
        self, d: Tensor, w_plus: Tensor, index: int = 10, *, noise: Noise = "stored", rng: torch.Generator | None = None
    ) -> Tensor:
        """D_index [B, C, h, w] and the styles of later layers → picture [B, 3, H, W]; RGB starts at D_index's level."""
        return self.sum_rgb([rgb for _, _, rgb in self._run(d, w_plus, index, noise, rng) if rgb is not None])

    def features(self, w_plus: Tensor, *, noise: Noise = "stored", rng: torch.Generator | None = None) -> Features:
        """All features from D2 on, and all contributions to the picture."""
        features = self.features_from(self._constant(w_plus), w_plus, 1, noise=noise, rng=rng)
        return Features({k: d for k, d in features.levels.items() if k > 1}, features.rgb)

    def features_from(
        self, d: Tensor, w_plus: Tensor, index: int = 10, *, noise: Noise = "stored", rng: torch.Generator | None = None
    ) -> Features:
        """`d` and the features after it, and the contributions from its level on."""
        steps = list(self._run(d, w_plus, index, noise, rng))
        return Features({k: level for k, level, _ in steps}, tuple(rgb for _, _, rgb in steps if rgb is not None))

    def layer(
        self, k: int, d: Tensor, w_plus: Tensor, *, noise: Noise = "stored", rng: torch.Generator | None = None
    ) -> Tensor:
        """D_k from D_{k-1} [B, C, h, w]. Odd k (from 3 on) double the size."""
        if not 2 <= k <= self.config.last_index:
            raise ValueError(f"k must be in 2 … {self.config.last_index}, got {k}")
        self._check_inputs(d, w_plus, k - 1)
        return self._layer(k, d, w_plus, noise, rng)

    def to_rgb(self, k: int, d: Tensor, w_plus: Tensor) -> Tensor:
        """Contribution of D_k [B, C, h, w], k even, to the picture. → [B, 3, h, w]"""
        if k % 2 or not 2 <= k <= self.config.last_index:
            raise ValueError(f"k must be even and in 2 … {self.config.last_index}, got {k}")
        self._check_inputs(d, w_plus, k)
        return self._to_rgb(k, d, w_plus)

    def sum_rgb(self, rgb: Sequence[Tensor]) -> Tensor:
        """Contributions, coarse to fine, each [B, 3, h, w] twice the size of the one before → picture as the finest."""
        if not rgb:
            raise ValueError("rgb must hold at least one contribution, got none")
        picture = rgb[0]
        for finer in rgb[1:]:
            if finer.shape[2:] != (2 * picture.shape[2], 2 * picture.shape[3]):
                raise ValueError(
                    f"rgb must double in size, got {tuple(finer.shape[2:])} after {tuple(picture.shape[2:])}"
                )
            upsampled: Tensor = self.to_rgbs[-1].get_submodule("upsample")(picture)
            picture = upsampled + finer if torch.is_grad_enabled() else upsampled.add_(finer)
        return picture

    def _constant(self, w_plus: Tensor) -> Tensor:
        return self.input.input.expand(len(w_plus), -1, -1, -1)

    def _run(
        self, d: Tensor, w_plus: Tensor, index: int, noise: Noise, rng: torch.Generator | None
    ) -> Iterator[tuple[int, Tensor, Tensor | None]]:
        """(k, D_k, its contribution if k is even) from k = index on. Holds no feature but the current one."""
        self._check_inputs(d, w_plus, index)
        for k in range(index, self.config.last_index + 1):
            if k > index:
                d = self._layer(k, d, w_plus, noise, rng)
            yield k, d, None if k % 2 else self._to_rgb(k, d, w_plus)

    def _layer(self, k: int, d: Tensor, w_plus: Tensor, noise: Noise, rng: torch.Generator | None) -> Tensor:
        block = self.conv1 if k == 2 else self.convs[k - 3]
        # channels last, D10 → 1024², 2 cores: 0.90 s against 1.38 contiguous in float32, 0.45 against 0.85 in bf16
        d = d.contiguous(memory_format=torch.channels_last)
        factor = 2 if k % 2 else 1
        grid = (factor * d.shape[2], factor * d.shape[3])
        made: Tensor = block(d, w_plus[:, k - 2], self._noise(k, len(d), grid, noise, rng))
        return made

    def _to_rgb(self, k: int, d: Tensor, w_plus: Tensor) -> Tensor:
        made: Tensor = (self.to_rgb1 if k == 2 else self.to_rgbs[k // 2 - 2])(d, w_plus[:, k - 1])
        return made

    def _noise(
        self, k: int, batch: int, grid: tuple[int, int], noise: Noise, rng: torch.Generator | None
    ) -> Tensor | None:
        """The noise map of D_k on a grid of (rows, columns): [batch or 1, 1, rows, columns]."""
        if noise == "none":
            return None
        if noise == "random":
            if rng is None:
                raise ValueError('rng must be a torch.Generator with noise="random", got None')
            return torch.randn(batch, 1, *grid, generator=rng, device=rng.device)
        if noise == "stored":
            return _wrapped(self.noises.get_buffer(f"noise_{k - 2}"), grid)
        wanted = self.config.last_index - 1
        if len(noise) != wanted:
            raise ValueError(f'noise must be "stored", "none", "random" or {wanted} maps, got {len(noise)} items')
        return _wrapped(noise[k - 2], grid)

    def _check_inputs(self, d: Tensor, w_plus: Tensor, index: int) -> None:
        if not 1 <= index <= self.config.last_index:
            raise ValueError(f"index must be in 1 … {self.config.last_index}, got {index}")
        _check(w_plus, "w_plus", (None, self.config.n_styles, self.config.style_dim))
        _check(d, f"D{index}", (None, self.config.channels(index), None, None))
        if len(w_plus) not in (1, len(d)):
            raise ValueError(f"w_plus must have 1 or {len(d)} samples as D{index}, got {len(w_plus)}")


def _wrapped(noise: Tensor, grid: tuple[int, int]) -> Tensor:
    """A noise map [B, 1, h, w] repeated (or cut) to `grid`; its top left corner stays."""
    rows, columns = (-(-wanted // had) for wanted, had in zip(grid, noise.shape[2:], strict=True))
    if rows * columns > 1:
        noise = noise.repeat(1, 1, rows, columns)
    return noise[:, :, : grid[0], : grid[1]]


def _check(x: Tensor, name: str, shape: tuple[int | None, ...]) -> None:
    """Raises ValueError unless `x` has this shape; None is any length from 1 on."""
    matches = x.ndim == len(shape) and all(
        had > 0 if wanted is None else had == wanted for had, wanted in zip(x.shape, shape, strict=True)
    )
    if not matches:
        wanted_shape = ", ".join("*" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} must be [{wanted_shape}], got {list(x.shape)}")

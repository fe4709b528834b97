"""The networks of DeepLandscape in a set of models, under their own types."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from cinegan_cli.errors import ModelMissingError
from cinegan_cli.models.formats.deeplandscape import DeepLandscapeKind, levels_of, require_fitting
from cinegan_cli.models.store import SHIPPED_DEEPLANDSCAPE, Models, find_models, first_with
from cinegan_cli.nn.deeplandscape import CompactEncoder, Encoder, Generator, Lighting
from cinegan_cli.nn.rrdb import SuperResolver

GENERATOR: DeepLandscapeKind = "deeplandscape_generator"
Network = TypeVar("Network", bound=nn.Module)


class DeepLandscapeSet:
    """A set with a generator of DeepLandscape; each network is read once, when it is first asked for.

    Networks are in evaluation mode, on the CPU, float32, and are shared: copy one before changing it.
    """

    def __init__(self, models: Models) -> None:
        """Raises ModelMissingError where the set has no such generator, InputError where its parts do not fit."""
        if not models.has(GENERATOR):
            raise ModelMissingError(
                f"{models.path}: the set holds no generator of DeepLandscape; `cinegan models list` says what there is"
            )
        require_fitting(models.config, models.path)
        self.models = models

    @property
    def name(self) -> str:
        return self.models.name

    @property
    def levels(self) -> int:
        """N: how many levels of maps and styles are in use. Pictures have 4 · 2^(N - 1) px a side."""
        return levels_of(self.models.config)

    def generator(self) -> Generator:
        """`.mapping(z)`, `.synthesize(w, static, dynamic)`."""
        return self._part(GENERATOR, Generator)

    def mean_w(self) -> Tensor:
        """[style_dim], the mean of w over z; towards it the truncation of samples goes."""
        return self.models.tensors("mean_w")[""] if "mean_w" in self.models.names else mean_w_of(self.generator())

    def encoder(self) -> Encoder | CompactEncoder | None:
        """`(photo [B, 3, h, w] in [-1, 1]) -> w [B, N, 2, style_dim]`; None where the set has none."""
        if not self.models.has("deeplandscape_encoder"):
            return None
        encoder = self.models.network("deeplandscape_encoder")
        assert isinstance(encoder, Encoder | CompactEncoder)
        return encoder

    def lighting(self) -> Lighting | None:
        """`(w, z_dyn, c) -> w`; None where the set has none."""
        return self._optional("deeplandscape_lighting", Lighting)

    def superres(self) -> SuperResolver | None:
        """`(frame, reference) -> picture`, four times as large; None where the set has none."""
        return self._optional("deeplandscape_superres", SuperResolver)

    def _optional(self, part: DeepLandscapeKind, kind: type[Network]) -> Network | None:
        return self._part(part, kind) if self.models.has(part) else None

    def _part(self, part: DeepLandscapeKind, kind: type[Network]) -> Network:
        network = self.models.network(part)
        assert isinstance(network, kind)
        return network


def find_deeplandscape(name: str | Path | None = None) -> Path:
    """Where the set lies: that of the name or file; by default the first installed one, or the one that ships.

    Raises ModelMissingError when there is none of that name.
    """
    if name is not None:
        return find_models(name)
    first = first_with(GENERATOR)
    return SHIPPED_DEEPLANDSCAPE if first is None else first.path


@torch.no_grad()
def mean_w_of(generator: Generator, draws: int = 4096, seed: int = 0) -> Tensor:
    """[style_dim], over that many z."""
    z = torch.randn(draws, generator.style_dim, generator=torch.Generator().manual_seed(seed))
    return generator.mapping(z).mean(0)

"""Training of the encoder of a DeepLandscape generator, photo to w, on what the generator makes.

Logacheva et al. 2020, section 3.3, with the numbers of their release. Where the release makes its pictures beforehand,
here each is made when it is needed. z is spread wider than in training, but for its dynamic part. L1 on w alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.errors import InputError
from cinegan_cli.models import Bundle, DeepLandscapeSet, find_deeplandscape, open_bundle, write_bundle
from cinegan_cli.nn.deeplandscape import CompactEncoder, Encoder
from cinegan_cli.training.data import Tell, unheard
from cinegan_cli.training.deeplandscape_settings import DeepLandscapeEncoderSettings
from cinegan_cli.training.loop import Phase, precision, run, set_up
from cinegan_cli.training.results import require_places
from cinegan_cli.training.settings import LoopSettings
from cinegan_cli.training.tasks.deeplandscape import drawn_maps, mixed_codes
from cinegan_cli.training.tasks.seer import installed_backbone, read_backbone
from cinegan_cli.types import Progress

KIND = "deeplandscape_encoder"
LARGEST_SIDE = 256  # px, that the encoder sees
LARGEST_GRADIENT = 10.0  # norm to which gradients are clipped
VARIANT = "lite0"  # of EfficientNet, under the compact encoder
FROM_NOTHING = "no pretrained weights; the encoder learns from nothing. --backbone gives some"
SHOWN = 8  # pictures of a sample grid


def train(
    settings: DeepLandscapeEncoderSettings, loop: LoopSettings, *, progress: Progress, tell: Tell = unheard
) -> Path:
    """Train and write the encoder; returns `settings.out`. `tell` gets a word where it starts from nothing.

    Raises ModelMissingError without a generator, InputError for weights that are none.
    """
    path = find_deeplandscape(settings.models)
    require_places(settings.out, loop.work, KIND, inputs=(path, settings.backbone))
    device = set_up(loop)
    task = DeepLandscapeEncoderTask(DeepLandscapeSet(open_bundle(path)), settings, loop, device, tell)
    return run(task, loop, config=settings, progress=progress)


class DeepLandscapeEncoderTask:
    """See `training.loop.Task`."""

    averaged = ("encoder",)

    def __init__(
        self,
        models: DeepLandscapeSet,
        settings: DeepLandscapeEncoderSettings,
        loop: LoopSettings,
        device: torch.device,
        tell: Tell,
    ) -> None:
        self.settings, self.loop, self.device, self.levels = settings, loop, device, models.levels
        self.generator = models.generator().to(device).requires_grad_(False)
        self.config: dict[str, Any] = {"levels": models.levels, "style_dim": self.generator.style_dim}
        self.encoder = self._begun(tell).to(device).train()
        self.modules: Mapping[str, nn.Module] = {"encoder": self.encoder}
        self.optimiser = torch.optim.Adam(self.encoder.parameters(), lr=settings.learning_rate)
        self.optimiser.register_step_pre_hook(self._clip)
        self._phases = (Phase("encoder", self.optimiser, self._loss),)

    def _begun(self, tell: Tell) -> Encoder | CompactEncoder:
        """With pretrained weights where they are given, or lie in the Python package that carries them."""
        path = self.settings.backbone
        if self.settings.form == "resnet152":
            whole = Encoder(**self.config)
            if path is not None:
                load_backbone(whole.backbone, resnet_weights(path), path)
        else:
            self.config["variant"] = VARIANT
            compact = CompactEncoder(**self.config)
            begin_compact(compact, path, tell)
            return compact
        if path is None:
            tell(FROM_NOTHING)
        return whole

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def _clip(self, *_: object) -> None:
        nn.utils.clip_grad_norm_(self.encoder.parameters(), LARGEST_GRADIENT)

    def _loss(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        fall = 0.5 + 0.5 * math.cos(math.pi * step / self.loop.steps)
        self.optimiser.param_groups[0]["lr"] = self.settings.learning_rate * fall
        pictures, wanted = self._made(len(samples))
        with precision(self.loop, self.device):
            found = self.encoder(pictures)
        errors = (found.float() - wanted).abs().mean((0, 3))  # [levels, 2]
        return {"loss": errors.sum(), "mean": errors.mean()}

    @torch.no_grad()
    def _made(self, batch: int) -> tuple[Tensor, Tensor]:
        """Pictures as the encoder takes them, and their w [B, levels, 2, style_dim]."""
        settings = self.settings
        codes = mixed_codes(self.generator, batch, 1, self.levels, settings.mixing, self.device, settings.spread)
        pictures = self.generator.synthesize(codes, *drawn_maps(batch, 1, self.levels, self.device)).clamp(-1, 1)
        if pictures.shape[-1] > LARGEST_SIDE:
            pictures = F.interpolate(pictures, (LARGEST_SIDE, LARGEST_SIDE), mode="bicubic", antialias=True)
        return pictures, codes

    @torch.no_grad()
    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8]:
        """Made pictures above what comes back, with other noise."""
        state = torch.get_rng_state()
        torch.manual_seed(self.loop.seed)
        pictures, _ = self._made(SHOWN)
        maps = drawn_maps(SHOWN, 1, self.levels, self.device)
        torch.set_rng_state(state)
        again = self.generator.synthesize(averages["encoder"](pictures), *maps)
        again = F.interpolate(again, pictures.shape[2:], mode="bilinear", antialias=True)
        grid = torch.cat([torch.cat(list(row), 2) for row in (pictures, again)], 1)
        levels = ((grid + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return levels.permute(1, 2, 0).cpu().numpy()

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        tensors = {name: value.cpu() for name, value in averages["encoder"].state_dict().items()}
        write_bundle(self.settings.out, Bundle(KIND, self.config, tensors))
        return self.settings.out


def begin_compact(encoder: CompactEncoder, path: Path | None, tell: Tell) -> None:
    """Give it pretrained weights, where they are given or lie in the Python package that carries them, or tell.

    Raises InputError for given weights that are none.
    """
    try:
        given = path or installed_backbone(VARIANT)
    except InputError:
        tell(FROM_NOTHING)
        return
    load_backbone(encoder.backbone, read_backbone(given), given)


def resnet_weights(path: Path) -> Mapping[str, Tensor]:
    """Raises InputError."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: value for name, value in state.items() if not name.startswith("fc.")}
    except Exception as error:  # torch raises nearly anything on damaged files
        raise InputError(f"{path}: not the weights of a ResNet-152 ({error}); give torchvision's .pth file") from error


def load_backbone(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """All of `module` but its head. Raises InputError when anything else is missing or left over."""
    own = module.state_dict()
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    missing = [name for name in own if name not in fitting and not name.startswith("fc.")]
    if missing or len(fitting) < len(state):
        name = missing[0] if missing else next(name for name in state if name not in fitting)
        raise InputError(f"{path}: tensor {name} does not fit the encoder's network; give weights of that network")
    module.load_state_dict(fitting, strict=False)

"""Latents of a photo under a DeepLandscape generator as a file: written by `cinegan invert`, read by `animate`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from cinegan_cli.errors import InputError
from cinegan_cli.models import Bundle, pack, read_bundle, require_finite, unpack, write_bundle
from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.systems.deeplandscape.codes import Codes
from cinegan_cli.systems.deeplandscape.finetune import with_changes

KIND = "deeplandscape latents"
AGAIN = "make them again with `cinegan invert PHOTO --system deeplandscape`"


@dataclass(frozen=True)
class Latents:
    """What a generator makes the photo from, and how they were found.

    `variant` is a name of `variants.VARIANTS`, `added` what fine-tuning added to the generator's tensors, by name.
    """

    codes: Codes
    variant: str
    added: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of the maps of level 0: 4 × 4 for a square photo."""
        return self.codes.static[0].shape[2], self.codes.static[0].shape[3]


def write_latents(path: Path, latents: Latents, generator: Generator, models: str) -> None:
    """Write atomically; `models` names the set whose `generator` they belong to. Raises OutputError.

    W is kept as float32, maps as float16, what fine-tuning added as int8 with a scale for each row: together they
    change a picture by under one level of 255.
    """
    codes = latents.codes
    tensors = {"w": codes.w.cpu()}
    for name, levels in (("static", codes.static), ("dynamic", codes.dynamic)):
        tensors |= {f"{name}.{i}": level.to("cpu", torch.float16) for i, level in enumerate(levels)}
    tensors |= {f"tuned.{name}": value for name, value in pack(_on_cpu(latents.added)).items()}
    config = {
        "variant": latents.variant,
        "models": models,
        "generator": fingerprint(generator),
        "levels": len(codes.static),
        "grid": list(latents.grid),
    }
    write_bundle(path, Bundle(KIND, config, tensors))


def read_latents(path: Path, generator: Generator, grid: tuple[int, int]) -> tuple[Latents, Generator]:
    """Latents of a photo whose `grid` is that of `Latents.grid`, and the generator fine-tuned for it, if it was.

    Raises InputError when the file is missing or damaged, or was made for another generator or shape of photo.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; make it with `cinegan invert PHOTO --system deeplandscape`")
    bundle = read_bundle(path, KIND)
    require_finite("latents", bundle.tensors, path)
    try:
        if bundle.config["generator"] != fingerprint(generator):
            raise InputError(f"{path}: made for another generator, of the set {bundle.config['models']}; {AGAIN}")
        latents = _latents(bundle, generator)
        tuned = with_changes(generator, latents.added)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not the latents of a photo ({error}); {AGAIN}") from error
    if latents.grid != grid:
        raise InputError(f"{path}: made for a photo of another shape ({latents.grid}, not {grid}); {AGAIN}")
    return latents, tuned


def fingerprint(generator: Generator) -> str:
    """Tells generators apart by their weights: the first 16 hexadecimal digits of a SHA-256."""
    digest = hashlib.sha256()
    for name, value in sorted(generator.state_dict().items()):
        digest.update(name.encode())
        digest.update(memoryview(value.detach().cpu().contiguous().numpy()).cast("B"))
    return digest.hexdigest()[:16]


def _latents(bundle: Bundle, generator: Generator) -> Latents:
    """Raises KeyError, ValueError or TypeError for what is missing, or of another shape."""
    levels = int(bundle.config["levels"])
    tensors = bundle.tensors
    static, dynamic = ([tensors[f"{name}.{i}"].float() for i in range(levels)] for name in ("static", "dynamic"))
    codes = Codes(tensors["w"], static, dynamic)
    rows, columns = static[0].shape[2:] if levels else (0, 0)
    sizes = [(1, 1, rows << i, columns << i) for i in range(levels)]
    fits = levels <= generator.levels and codes.w.shape == (1, levels, 2, generator.style_dim)
    if not fits or any([level.shape for level in maps] != sizes for maps in (static, dynamic)):
        raise ValueError("the shapes of its tensors do not go together")
    added = unpack({k.removeprefix("tuned."): v for k, v in tensors.items() if k.startswith("tuned.")})
    return Latents(codes, str(bundle.config["variant"]), added)


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.cpu() for name, value in tensors.items()}

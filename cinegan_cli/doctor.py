"""What this machine has of what cinegan can use, and one tiny loop as a proof."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch

from cinegan_cli import __version__
from cinegan_cli.config import RenderConfig
from cinegan_cli.errors import CineganError
from cinegan_cli.measure import measure_loop
from cinegan_cli.models import Listed, cache_folder, list_sets
from cinegan_cli.ops import backend_info
from cinegan_cli.stages.bands import moving_layer, pyramid
from cinegan_cli.stages.frames import composite, matte
from cinegan_cli.stages.mask import WEIGHTS
from cinegan_cli.stages.video import ffmpeg_executable
from cinegan_cli.stages.warp import warped_frames
from cinegan_cli.types import LayerFrame, Mask, Motion, Photo

State = Literal["ok", "missing", "broken"]
SELF_CHECK_SEAM = (0.8, 1.25)  # a seam outside is visible; the self-check's own comes out at 1.0


@dataclass(frozen=True)
class Diagnosis:
    """One thing looked at: "ok", "missing" (cinegan works without it) or "broken" (it does not).

    `values` are what `detail` says in words, for --json.
    """

    name: str
    state: State
    detail: str
    values: Mapping[str, Any] = field(default_factory=dict)


def diagnose() -> tuple[Diagnosis, ...]:
    """Everything `cinegan doctor` prints, in its order. Takes about a second after importing torch."""
    return (
        Diagnosis("cinegan", "ok", f"{__version__}, Python {platform.python_version()}, {platform.platform()}"),
        Diagnosis("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} CPU threads"),
        _native(),
        _cuda(),
        _ffmpeg(),
        _weights(),
        *map(_models, list_sets()),
        _models_folder(),
        _heic(),
        _space(),
        _self_check(),
    )


def _native() -> Diagnosis:
    info = backend_info()
    if not info.cpu:
        return Diagnosis("native operators", "missing", f"{info.reason}; until then rendering is many times slower")
    return Diagnosis("native operators", "ok", f"CPU ({info.simd}), built with {info.compiler}")


def _cuda() -> Diagnosis:
    info = backend_info()
    if not torch.cuda.is_available():
        return Diagnosis("CUDA", "missing", "no CUDA device, or a CPU build of torch; the CPU is used")
    name = torch.cuda.get_device_name()
    if not info.cuda:
        return Diagnosis("CUDA", "missing", f"{name}: {info.reason}; torch operators are used on it")
    return Diagnosis("CUDA", "ok", f"{name}, kernels for sm_{', sm_'.join(info.cuda_architectures)}")


def _ffmpeg() -> Diagnosis:
    try:
        return Diagnosis("ffmpeg", "ok", ffmpeg_executable())
    except CineganError as error:
        return Diagnosis("ffmpeg", "broken", str(error))


def _weights() -> Diagnosis:
    if not WEIGHTS.is_file():
        return Diagnosis("seer", "broken", f"{WEIGHTS} is not there; install cinegan again, or give --mask")
    return Diagnosis("seer", "ok", f"{WEIGHTS.name}, {WEIGHTS.stat().st_size / 1e6:.1f} MB")


def _models(each: Listed) -> Diagnosis:
    mend = "" if each.damaged is None else f"; import it again, or cinegan models rm {each.name}"
    return Diagnosis(f"models {each.name}", "broken" if mend else "ok", f"{each}{mend}", each.as_dict())


def _heic() -> Diagnosis:
    if find_spec("pillow_heif") is None:
        return Diagnosis("HEIC photos", "missing", 'pip install "cinegan[heic]" reads them')
    return Diagnosis("HEIC photos", "ok", f"pillow-heif {metadata.version('pillow-heif')}")


def _models_folder() -> Diagnosis:
    folder = cache_folder()
    there = next((place for place in (folder, *folder.parents) if os.path.exists(place)), folder)
    if os.path.isdir(there) and os.access(there, os.W_OK | os.X_OK):
        return Diagnosis("models folder", "ok", str(folder))
    detail = f"{folder} cannot be written; to import models set CINEGAN_HOME to a folder that you may write"
    return Diagnosis("models folder", "missing", detail)


def _space() -> Diagnosis:
    try:
        folder = Path(tempfile.gettempdir())
        free = shutil.disk_usage(folder).free
    except OSError as error:
        reason = f"no folder for temporary files ({error.strerror or error})"
        return Diagnosis("free disk", "missing", f"{reason}; `evaluate` and `data` need one: set TMPDIR")
    return Diagnosis("free disk", "ok", f"{free / 1e9:.0f} GB in {folder}")


def _self_check() -> Diagnosis:
    started = time.perf_counter()
    try:
        seam, moved = _tiny_loop()
    except Exception as error:  # whatever it is, the rest is worth saying
        return Diagnosis("self-check", "broken", f"a tiny loop failed: {error}")
    took = time.perf_counter() - started
    good = SELF_CHECK_SEAM[0] <= seam <= SELF_CHECK_SEAM[1] and moved == 0
    detail = f"a 96x64 loop of 12 frames in {took:.1f} s: seam {seam:.2f}, static pixels off by {moved}"
    return Diagnosis("self-check", "ok" if good else "broken", detail)


def _tiny_loop() -> tuple[float, int]:
    """Seam ratio and static error of noise drifting in the upper half of a picture."""
    pixels_u8 = torch.randint(0, 256, (64, 96, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels = pixels_u8.permute(2, 0, 1).to(torch.float32).div(255).contiguous()
    photo = Photo(pixels, pixels_u8, (96, 64), (0, 0, 96, 64))
    alpha = torch.zeros(64, 96)
    alpha[:32] = 1
    mask = Mask(alpha, "given")
    velocity = torch.zeros(2, 32, 48)
    velocity[0] = 8
    layer = moving_layer(photo, mask)
    coverage = matte(mask)
    config = RenderConfig(seconds=1.0, fps=12.0)
    warped = warped_frames(layer, pyramid(layer), Motion(velocity, "given"), (coverage > 0).to(torch.uint8), config)
    layers = (LayerFrame(moved, layer, pixels_u8) for moved in warped)
    frames = composite(layers, coverage)
    report = measure_loop((frame.numpy() for frame in frames), photo=pixels_u8.numpy(), mask=alpha.numpy())
    return report.seam, report.static_error or 0

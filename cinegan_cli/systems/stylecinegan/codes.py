"""Style by a generator's codes: w_t is optimised with G fixed, and w_s lies between w+ and w_t (Eq. 5-7, C.b)."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli import __version__
from cinegan_cli.config import PhotoConfig
from cinegan_cli.errors import InputError, ModelMissingError, OutputError
from cinegan_cli.models import Bundle, cache_folder, read_bundle, write_bundle
from cinegan_cli.nn.stylegan2 import Generator, PhotoEncoder
from cinegan_cli.ops import one_thread
from cinegan_cli.precision import narrowed_for
from cinegan_cli.session import Session
from cinegan_cli.stages.look import Target, restyle
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.systems.stylecinegan.invert import Inversion, at_generator_size
from cinegan_cli.systems.stylecinegan.votes import FIRST_INDEX
from cinegan_cli.types import Mask, Photo

RATE = 0.1  # of Adam (supplement C.b)
STEPS = 60
CELLS = 12  # side, in cells of D10, of the piece on which codes are optimised
KIND = "style"
KEPT = 256  # files of codes in the cache, 37 KB each at full size


def target_codes(photo: Photo, mask: Mask | None, target: Target, inversion: Inversion, *, session: Session) -> Tensor:
    """w_t [1, styles, 512] of `target`: from the cache, or by Adam with G fixed.

    A colour is one for all photos: the generator's own average feature is to become a picture of that colour (C.b). A
    named look or a reference photo means something else for every photo: what the transfer without weights makes of it
    is the picture to reach from the photo's own feature. An encoder that reads looks (`PhotoEncoder`) gives those of a
    reference photo at once.
    Raises InputError when the reference photo cannot be read.
    """
    device = session.device
    if target.reference is not None and isinstance(encoder := inversion.models.encoder(), PhotoEncoder):
        reference = read_photo(target.reference, PhotoConfig()).pixels[None] * 2 - 1
        with torch.no_grad():
            offsets = encoder.offsets(encoder.read_look(reference))
        return (inversion.models.mean_w() + offsets).to(device)
    generator = inversion.models.generator().to(device)
    feature, start, wanted = _task(photo, mask, target, inversion, generator, session)
    cached = _cache_file(inversion, feature, start, wanted)
    codes = _kept(cached, start)
    if codes is None:
        codes = optimise(generator, feature.clone(), inversion.latents.index, start.clone(), wanted)
        _keep(cached, codes)
    return codes


def _task(
    photo: Photo, mask: Mask | None, target: Target, inversion: Inversion, generator: Generator, session: Session
) -> tuple[Tensor, Tensor, Tensor]:
    """What `optimise` gets: D_k [1, C, h, w], the codes to start from [1, styles, 512], and the picture to reach."""
    latents, device = inversion.latents, session.device
    if target.colour is not None and inversion.models.first_index == 1:
        start = inversion.models.mean_w().to(device).view(1, 1, -1).repeat(1, generator.config.n_styles, 1)
        with torch.no_grad():
            feature = generator.features(start).levels[latents.index]
        feature, _ = _piece(feature, None, latents.index)
        return feature, start, torch.tensor(target.colour, device=device).view(1, 3, 1, 1) * 2 - 1
    made = restyle(photo, mask, target, session=session).to(device)
    feature, wanted = _piece(latents.feature, at_generator_size(made, generator), latents.index)
    assert wanted is not None
    return feature, latents.w_plus, wanted


@one_thread()
def optimise(generator: Generator, feature: Tensor, index: int, start: Tensor, wanted: Tensor) -> Tensor:
    """The codes that bring G(feature, w) nearest to `wanted` (L2 of what a 1/8 reduction leaves), by Adam."""
    codes = start.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([codes], lr=RATE)
    best, least = start, float("inf")
    for _ in range(STEPS):
        picture = generator.synthesize_from(feature, codes, index)
        size = (max(1, picture.shape[2] // 8), max(1, picture.shape[3] // 8))
        goal = wanted.expand_as(picture)
        loss = (F.adaptive_avg_pool2d(picture, size) - F.adaptive_avg_pool2d(goal, size)).square().mean()
        if float(loss.detach()) < least:
            best, least = codes.detach().clone(), float(loss.detach())
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return best


def styled_inversion(photo: Tensor, inversion: Inversion, codes: Tensor, strength: float) -> tuple[Tensor, Inversion]:
    """I + ΔI_s (Eq. 6) as [3, H, W] in [0, 1], and the inversion with w_s = (1 - β) w+ + β w_t (Eq. 5)."""
    latents = inversion.latents
    generator = inversion.models.generator().to(latents.feature.device)
    with torch.no_grad():
        mixed = torch.lerp(latents.w_plus, codes, strength)
        with narrowed_for(generator, inversion.precision, latents.feature.device):
            features = generator.features_from(latents.feature, mixed, latents.index)
        contributions = tuple(band[0].cpu() for band in features.rgb)
        # the constant 1/2 of [-1, 1] → [0, 1] cancels
        pairs = zip(contributions, inversion.contributions, strict=True)
        change = 0.5 * inversion.summed([new - old for new, old in pairs])
        change = F.interpolate(change, photo.shape[1:], mode="bilinear", antialias=True)[0]
    styled = replace(inversion, latents=replace(latents, w_plus=mixed), contributions=contributions)
    return (photo + change).clamp_(0, 1), styled


def _piece(feature: Tensor, picture: Tensor | None, index: int) -> tuple[Tensor, Tensor | None]:
    """The middle of D_index [1, C, h, w] and of its picture: of sky and land, in columns, about `CELLS`² cells of D10.

    The generator is fully convolutional from here on, and codes work alike everywhere: a part of the picture shows
    what they do at a part of the cost.
    """
    rows, columns = feature.shape[2:]
    cells = round(CELLS * 2 ** ((index - FIRST_INDEX) / 2))
    width = min(columns, max(1, cells * cells // rows))
    left = (columns - width) // 2
    part = feature[:, :, :, left : left + width]
    if picture is None:
        return part, None
    scale = picture.shape[3] // columns
    return part, picture[:, :, :, left * scale : (left + width) * scale]


def _cache_file(inversion: Inversion, feature: Tensor, start: Tensor, wanted: Tensor) -> Path:
    """Where the codes of this very task are kept: its name is made from everything that `optimise` works on.

    The photo, its mask, a reference photo, the look's values, refinement and precision are all in the three tensors.
    """
    index, where = inversion.latents.index, feature.device.type
    settings = [__version__, inversion.models.identity, str(index), where, str(STEPS), str(RATE)]
    digest = hashlib.sha256("|".join(settings).encode())
    for tensor in (feature, start, wanted):
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return cache_folder() / "styles" / (digest.hexdigest()[:32] + ".safetensors")


def _kept(path: Path, like: Tensor) -> Tensor | None:
    """The codes in a file, on the device of `like` and of its shape; None where there are none, or it is damaged."""
    try:
        codes = read_bundle(path, KIND).tensors["w_t"]
    except (InputError, ModelMissingError, KeyError, OSError):
        return None
    return codes.to(like.device) if codes.shape == like.shape and bool(codes.isfinite().all()) else None


def _keep(path: Path, codes: Tensor) -> None:
    """Write the codes, whole or not at all, and remove the oldest beyond `KEPT`; do nothing where that is refused."""
    with suppress(OutputError, OSError):
        write_bundle(path, Bundle(KIND, {}, {"w_t": codes.cpu()}))
        oldest_last = sorted(path.parent.glob("*.safetensors"), key=lambda file: -file.stat().st_mtime_ns)
        for file in oldest_last[KEPT:]:
            file.unlink(missing_ok=True)

"""Stage "mask": what moves, from a file or from what the seer sees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cinegan_cli.config import MaskConfig
from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.session import Session
from cinegan_cli.stages.mask.cleanup import clean, reassign_patches
from cinegan_cli.stages.mask.given import read_given
from cinegan_cli.stages.mask.matting import refine
from cinegan_cli.stages.mask.objects import without_objects
from cinegan_cli.stages.mask.sight import WEIGHTS, placed, see, three_ways
from cinegan_cli.stages.photo import name_of
from cinegan_cli.types import KINDS, Mask, MaskSource, Photo, Sight

Floats = npt.NDArray[Any]  # float32

RESTLESS = ("surf", "river", "rapids", "falls")  # kinds whose foam looks like things
_DOUBTFUL = 0.7  # confidence below which the user is told: held-out photos had a mean IoU of 0.53 below it, 0.80 above
_SMALL = 0.02  # moving part of the picture below which the user is told
_LEAST = 0.002  # below this nothing is worth animating


def make_mask(
    photo: Photo, config: MaskConfig, *, session: Session, votes: Tensor | None = None, sight: Sight | None = None
) -> Mask:
    """What moves in `photo`: `--mask` as given, else the seer's sky and water; `--freeze` wins over both.

    `votes` [3, h, w] are probabilities of (static, sky, water) over the whole photo from another network, taken in
    place of the shipped seer's, but not of `--mask-network`'s; `sight` is what that sees, where it has looked. Raises
    InputError when a file cannot be used or nothing moves, UsageError for `--mask-network` where no network is asked,
    ModelMissingError when it is not there.
    """
    if config.mask_network is not None and not needs_prediction(config):
        other = "--mask" if config.mask is not None else "--move everything"
        raise UsageError(f"--mask-network and {other}: both say what moves; give one of them")
    mask = _predicted(photo, config, session, votes, sight) if needs_prediction(config) else _given(photo, config)
    return mask if config.freeze is None else frozen(mask, config.freeze, photo)


def frozen(mask: Mask, source: MaskSource, photo: Photo) -> Mask:
    """`mask` without what is white in `--freeze`. Raises InputError when that cannot be used or leaves nothing."""
    held = read_given(source, photo, "--freeze")
    alpha = mask.alpha * (1 - torch.from_numpy(held.values))
    if float(alpha.max()) == 0:
        raise InputError(f"{name_of(source)}: nothing moves: --freeze covers the whole mask; paint less of it white")
    return replace(mask, alpha=alpha, notices=mask.notices + held.notices)


def sight_of(photo: Photo, config: MaskConfig, session: Session) -> Sight:
    """What the seer sees in the whole output; in padding nothing moves. Raises as `see` does."""
    inner = _inner(photo)
    left, top, right, bottom = inner
    picture = photo.pixels_u8[top:bottom, left:right].contiguous()
    return placed(see(picture, session=session, weights=config.mask_network or WEIGHTS), photo.size, inner)


def needs_prediction(config: MaskConfig) -> bool:
    """Whether a network has to say what moves."""
    return config.mask is None and config.move != "everything"


def _given(photo: Photo, config: MaskConfig) -> Mask:
    if config.mask is None:
        return Mask(torch.ones(photo.size[1], photo.size[0]), "given")
    given = read_given(config.mask, photo, "--mask")
    if given.values.max() == 0:
        raise InputError(
            f"{name_of(config.mask)}: nothing moves: the mask is all black, or transparent, where the photo is; "
            "paint what moves white"
        )
    return Mask(torch.from_numpy(given.values), "given", notices=given.notices)


def _predicted(photo: Photo, config: MaskConfig, session: Session, votes: Tensor | None, known: Sight | None) -> Mask:
    """The network's mask of the part of the picture that comes from the file; padding is static."""
    left, top, right, bottom = _inner(photo)
    picture = photo.pixels_u8[top:bottom, left:right].contiguous()
    sight = None
    if votes is None or config.mask_network is not None:
        sight = known or sight_of(photo, config, session)
        votes = three_ways(sight)
    rows, columns = votes.shape[1] / photo.size[1], votes.shape[2] / photo.size[0]
    inside = votes[:, round(top * rows) : round(bottom * rows), round(left * columns) : round(right * columns)]
    seen = inside.contiguous().numpy()
    sky, water = reassign_patches(seen[1], seen[2], clean(seen[1] + seen[2]))
    wanted = {"sky": sky, "water": water, "sky+water": sky + water}[config.move]
    outline = clean(wanted)
    area = float(outline.mean())
    if area < _LEAST:
        what = config.move.replace("+", " or ")
        other = "" if config.move == "sky+water" else " or try --move sky+water"
        raise InputError(f"no {what} found in the photo; say what moves with --mask FILE (white moves){other}")
    confidence = _confidence(outline, wanted)

    def whole_of(part: Floats) -> Tensor:
        whole = torch.zeros(photo.size[1], photo.size[0])
        size = (right - left, bottom - top)
        whole[top:bottom, left:right] = torch.from_numpy(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR))
        return whole

    alpha = whole_of(refine(picture.numpy(), outline, wanted))
    notices = _notices(area, confidence, config)
    restless = None if sight is None else sight.kinds[[KINDS.index(kind) for kind in RESTLESS]].sum(0).numpy()
    held, told = without_objects(photo.pixels_u8.numpy(), alpha.numpy(), restless)
    alpha, notices = torch.from_numpy(held), notices + told
    return Mask(alpha, "predicted", whole_of(sky), whole_of(water), confidence, notices, sight)


def _inner(photo: Photo) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the output's part that lies inside the source file (all of it but for --fit pad)."""
    x, y, width, height = photo.window
    scale_x, scale_y = photo.size[0] / width, photo.size[1] / height
    left, top = max(0, round(-x * scale_x)), max(0, round(-y * scale_y))
    right = min(photo.size[0], round((photo.source_size[0] - x) * scale_x))
    bottom = min(photo.size[1], round((photo.source_size[1] - y) * scale_y))
    return left, top, right, bottom


def _confidence(outline: npt.NDArray[np.uint8], moving: Floats) -> float:
    """The IoU to expect if the probabilities are true: Σ p m / Σ (p + m - p m) over the picture, m the outline."""
    m = cv2.resize(outline.astype(np.float32), (moving.shape[1], moving.shape[0]), interpolation=cv2.INTER_AREA)
    both = float((moving * m).sum())
    return both / max(float((moving + m).sum()) - both, 1e-6)


def _notices(area: float, confidence: float, config: MaskConfig) -> tuple[str, ...]:
    notices = []
    if area < _SMALL:
        notices.append(f"Only {area:.1%} of the picture moves; --mask FILE says what else should.")
    if confidence < _DOUBTFUL:
        kinds = ", --move sky, --move water" if config.move == "sky+water" else ""
        notices.append(
            f"The mask is doubtful (confidence {confidence:.2f}): look at it with `cinegan mask`, and correct it with "
            f"--mask FILE or --freeze FILE{kinds}."
        )
    return tuple(notices)

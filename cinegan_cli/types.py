"""What the stages hand to each other, in the order of the pipeline.

Letters are fixed everywhere: B batch, C channels, H W photo size, h w motion grid, N frames in one cycle.
Pixel centres are at integer coordinates, +x right, +y down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from numpy.typing import NDArray
from PIL.Image import Image

if TYPE_CHECKING:  # the photo is decoded, and what is wrong with it said, before torch is imported
    from torch import Tensor

Provenance = Literal["given", "predicted", "default"]
Progress = Callable[[str, int, int], None]  # (what is being done, steps done, steps in all; 0 when unknown)

PhotoSource: TypeAlias = Path | bytes | NDArray[Any] | Image  # a file, a pipe ("-" is standard input), or pixels
MaskSource: TypeAlias = PhotoSource
MotionSource: TypeAlias = Path | NDArray[Any]

STATIC, SKY, WATER, MOVING, IGNORE = 0, 1, 2, 3, 255  # values of label pictures; MOVING: sky or water, not known which
FOG, LAKE, SEA, SURF, RIVER, RAPIDS, FALLS, REFLECTION = 4, 5, 6, 7, 8, 9, 10, 11  # the same, where the kind is known
KINDS = ("static", "sky", "fog", "lake", "sea", "surf", "river", "rapids", "falls", "reflection")
LABEL_OF_KIND = (STATIC, SKY, FOG, LAKE, SEA, SURF, RIVER, RAPIDS, FALLS, REFLECTION)  # in the order of KINDS


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Photo:
    """A decoded photo, upright, in sRGB, at the size of the output.

    `pixels[c, y, x]` is channel c (R, G, B) of pixel (x, y), float32 in [0, 1], contiguous [3, H, W], H and W even.
    `pixels_u8` is the same picture as uint8 [H, W, 3]: what static pixels of every frame are copied from.
    `window` says where the output lies in the upright source file: (x, y, width, height) in source pixels, so that
    coordinates and masks given for the file can be mapped; parts outside the file (`--fit pad`) are background.
    `source_size` is the (width, height) of the upright file, `name` how it is called. `notices` are sentences for the
    user.
    """

    pixels: Tensor
    pixels_u8: Tensor
    source_size: tuple[int, int]
    window: tuple[float, float, float, float]
    notices: tuple[str, ...] = ()
    name: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.pixels.shape[2], self.pixels.shape[1]


@dataclass(frozen=True)
class Bands:
    """RGB contributions, coarse to fine, whose upsampled sum is a picture.

    `levels[k]` is float32 [3, H_k, W_k]; `levels[-1]` has the size of the picture, each level is about half the next.
    `stages.bands.collapse` sums them: start at the coarsest, upsample bilinearly to the next size, add.
    """

    levels: tuple[Tensor, ...]


@dataclass(frozen=True)
class Sight:
    """What the seer sees in a photo, on a grid of its own that covers the whole picture (pixel areas are matched).

    `kinds` float32 [10, h, w] are the probabilities of `KINDS`; they add up to 1. `heading` float32 [2, h, w] points
    where things move (+x right, +y down); its length in [0, 1] is how sure that is. `axis` float32 [2, h, w] is
    (cos 2θ, sin 2θ) of the line θ along which they move, either way, its length likewise. `pace` float32 [h, w] is how
    fast, in widths of the photo per second.
    """

    kinds: Tensor
    heading: Tensor
    axis: Tensor
    pace: Tensor


@dataclass(frozen=True)
class Mask:
    """What moves. `alpha[y, x]` float32 [H, W] in [0, 1]: 0 is static, 1 moves at full speed, between: partial speed.

    `sky` and `water` (float32 [H, W], probabilities) are there whenever a network said what moves, else None. `sight`
    is what the seer saw, also where the mask itself was given; None where nobody asked it.
    `confidence` in [0, 1] is 1 for a mask given by file. `notices` are sentences for the user, each naming an option.
    """

    alpha: Tensor
    provenance: Provenance
    sky: Tensor | None = None
    water: Tensor | None = None
    confidence: float = 1.0
    notices: tuple[str, ...] = ()
    sight: Sight | None = None


@dataclass(frozen=True)
class Motion:
    """A steady flow: `velocity[0, y, x]`, `[1, y, x]` are its x and y parts at grid point (x, y), grid px per second.

    float32 [2, h, w], finite. The grid covers the whole picture and pixel areas are matched, not centres:
    photo_x + 0.5 = (x + 0.5) * W / w. It is already extended beyond the mask and scaled by `--speed`.

    On the same grid, each None where it says nothing: `cycles` int64 [h, w] >= 1, how often a place runs through its
    own cycle within the loop; `ripple` float32 [h, w] in [0, 1], the share of its motion that is waves to and fro
    instead of the flow; `nearness` float32 [h, w] in (0, 1], how near the viewer the water is, 1 nearest: waves are
    that large; `kinds` uint8 [h, w], the label of what is there.
    """

    velocity: Tensor
    provenance: Provenance
    notices: tuple[str, ...] = ()
    cycles: Tensor | None = None
    ripple: Tensor | None = None
    nearness: Tensor | None = None
    kinds: Tensor | None = None


@dataclass(frozen=True)
class Displacement:
    """Both displacements of one frame, on the motion's grid grown by `pad` = (rows, columns) on either side.

    `forward` = F_{0→t} and `backward` = F_{N→t} of Eq. 1: float32 [2, h + 2 rows, w + 2 columns], grid px. The particle
    that starts at grid point (x, y) is at (x, y) + forward[:, y, x] in this frame. `weight` in [0, 1) is the share of
    the backward source in the blend, t / N in Eq. 3; at 0 the backward field is not used.
    """

    forward: Tensor
    backward: Tensor
    weight: float
    pad: tuple[int, int]


@dataclass(frozen=True)
class Analysis:
    """What a system knows about a photo before anything moves.

    `votes` float32 [3, h, w] in [0, 1] are its shares for (static, sky, water), or None where it was not asked or has
    no opinion. `state` is the system's own and means nothing to others.
    """

    votes: Tensor | None = None
    state: Any = None


@dataclass(frozen=True)
class KeyPicture:
    """The photo at one strength β of its look: `picture` float32 [3, H, W] in [0, 1]; `state` as in `Analysis`."""

    strength: float
    picture: Tensor
    state: Any = None


@dataclass(frozen=True)
class Scene:
    """All that is known before the first frame; `looks` hold several keys where the look changes over the loop."""

    photo: Photo
    mask: Mask
    motion: Motion
    analysis: Analysis = Analysis()
    looks: tuple[KeyPicture, ...] = ()

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know, in the order of the stages."""
        return (*self.photo.notices, *self.mask.notices, *self.motion.notices)


@dataclass(frozen=True)
class RenderPart:
    """One part of a frame: where its pixels come from, and how much of it is seen.

    `origins` float32 [2, 2, h, w] and `phase` are those of `ops.joint_sample`. `gains` float32 [levels, h3, w3],
    interpolated, are what each level's samples are multiplied by; None for 1 at the finest level and 0 at the others.
    `weight` float32 [h4, w4], interpolated, is how far the part is seen; None for 1. `regions` are uint8 [H_k, W_k],
    one per level: pixels with 0 are not computed and are 0.
    """

    origins: Tensor
    phase: float
    regions: tuple[Tensor, ...]
    gains: Tensor | None = None
    weight: Tensor | None = None


@dataclass(frozen=True)
class Warped:
    """A warped picture before its pixels are computed: what `ops.render` makes it from."""

    levels: tuple[Tensor, ...]
    parts: tuple[RenderPart, ...]


@dataclass(frozen=True)
class LayerFrame:
    """The moving layer in one frame, and what it is composited with (Eq. 4).

    `warped` and `unwarped` float32 [3, H, W] in about [0, 1] are the layer as it is in this frame, computed or not yet,
    and as it would be had nothing moved; `static` uint8 [H, W, 3] is the picture that static pixels are copied from.
    `unwarped` may be None where it and `static` are those of the frame before, and `warped` of the same kind: a picture
    that need not be kept is 100 MB at 4K.
    """

    warped: Tensor | Warped
    unwarped: Tensor | None
    static: Tensor

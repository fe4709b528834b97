"""The settings of each part of a run: default, help text, choices, range. `config` puts them together.

Frozen dataclasses; nothing here imports torch, so that `--help` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from cinegan_cli.types import MaskSource, MotionSource
else:
    MaskSource = MotionSource = Path  # all that the command line has; nothing is imported for --help

Precision = Literal["auto", "float32", "bfloat16", "float16"]

FRAME_RATE_OF_FILES = 30.0  # motion files hold px per frame at this rate (`docs/spec/formats.md`, section 1)


def setting(default: Any, help: str, **extra: Any) -> Any:
    """A dataclass field with its help text; `extra` goes to the command line (metavar, minimum, maximum, ...).

    `minimum` and `maximum` are the only place of a range. `older` maps words of earlier versions to those of today;
    `number` says how a plain number is written where the setting is text; `array` marks a file whose values may be
    given instead: of a "field" as an array, of a "picture" also as one of Pillow or as the bytes of a file.

    Where not every run reads a setting, `extra` also says which does: `read_by` maps facts of a run ("system", "mode",
    "warp", "loop", "output") to the values under which it is read; `needs` and `unless` name a setting that must be
    given, or must not be; `rendering` marks what only commands that render frames read. See `Config.require_read`.
    """
    return field(default=default, metadata={"help": help, **extra})


GENERATOR = MappingProxyType({"system": ("stylecinegan",)})
DEEP = MappingProxyType({"system": ("stylecinegan",), "mode": ("deep",)})
LANDSCAPE = MappingProxyType({"system": ("deeplandscape",)})
INVERTED = MappingProxyType({"system": ("stylecinegan", "deeplandscape")})
LOSSY = (".mp4", ".webm", ".mov", ".gif", ".webp", ".jpg", ".jpeg")


@dataclass(frozen=True)
class PhotoConfig:
    """How the photo is read."""

    max_side: int = setting(
        3840, "Longest side of the output, in pixels; larger photos are scaled down.", minimum=16, maximum=16384
    )
    aspect: str | None = setting(
        None, "Aspect ratio of the output, such as 9:16 or 16:9.", metavar="W:H", number="{}:1"
    )
    fit: Literal["crop", "pad"] = setting(
        "crop", "How a photo is brought to --aspect: cut the sides, or add background.", needs="aspect"
    )
    background: str = setting("#ffffff", "Colour behind transparent pixels and --fit pad.", metavar="#RRGGBB")


@dataclass(frozen=True)
class InversionConfig:
    """What the picture is made of: the bands that move."""

    backbone: Literal["auto", "pyramid", "stylecinegan", "deeplandscape"] = setting(
        "auto",
        "The system: Laplacian bands of the photo, those of a StyleGAN2 generator, or DeepLandscape's generator, whose "
        "noise moves; auto takes a StyleGAN2 generator that is installed, else the photo's bands.",
        older=MappingProxyType({"stylegan2": "stylecinegan"}),
    )
    models: str | None = setting(
        None, "Set of models: a name from `cinegan models list`, or a bundle (.safetensors).", metavar="NAME|FILE"
    )
    latents: Path | None = setting(
        None,
        "Latents of this photo, as `cinegan invert` writes them; nothing is inverted again.",
        metavar="FILE",
        read_by=INVERTED,
    )
    refine: int = setting(
        0,
        "Steps of optimising the encoder's latents for this photo.",
        minimum=0,
        maximum=10000,
        metavar="STEPS",
        read_by=GENERATOR,
        unless="latents",
    )
    variant: Literal["I2S", "MO", "E", "EO", "EOI", "EOIF", "EOIFS", "STEADY"] = setting(
        "STEADY",
        "How latents are found: encoder (E) or mean style (MO), optimised (O), kept near the start (I), generator "
        "fine-tuned (F), what stands apart from what moves (S); I2S is Image2StyleGAN, STEADY is EOIFS that keeps the "
        "photo's colours while noise moves.",
        read_by=LANDSCAPE,
        unless="latents",
    )
    steps: int | None = setting(
        None,
        "Most steps of each part of the search.  [default: the variant's own]",
        minimum=1,
        maximum=100_000,
        read_by=LANDSCAPE,
        unless="latents",
    )
    perceptual: Path | None = setting(
        None,
        "VGG-19 by which DeepLandscape's pictures are compared (torchvision's vgg19-dcbb9e9d.pth).  [default: features "
        "of the network that ships]",
        metavar="FILE",
        read_by=LANDSCAPE,
        unless="latents",
    )
    mode: Literal["bands", "deep"] = setting(
        "bands",
        "Warp the generator's RGB contributions, or (deep, the paper's literal form) its features with all channels: "
        "G's layers run on every frame.",
        read_by=GENERATOR,
        rendering=True,
    )
    inversion_index: int | None = setting(
        None,
        "Feature D_k that carries the layout of the photo.  [default: the one the encoder gives]",
        minimum=9,
        maximum=18,
        read_by=GENERATOR,
        unless="latents",
    )
    warp_index: int | None = setting(
        None,
        "First feature that deep warps.  [default: the last one of the inversion's size]",
        minimum=9,
        maximum=18,
        read_by=DEEP,
        rendering=True,
    )
    warp_levels: Literal["all", "first"] = setting(
        "all", "Deep: warp one feature of every size, or the first alone (ablation).", read_by=DEEP, rendering=True
    )
    no_residual: bool = setting(
        False, "Leave out what the generator cannot reproduce, as the paper does.", read_by=GENERATOR, rendering=True
    )


@dataclass(frozen=True)
class MaskConfig:
    """What moves."""

    mask: MaskSource | None = setting(
        None, "Picture of what moves: white moves, black stays, grey moves slower.", metavar="FILE", array="picture"
    )
    freeze: MaskSource | None = setting(
        None, "Picture of what must stay still (white); it wins over the mask.", metavar="FILE", array="picture"
    )
    move: Literal["sky", "water", "sky+water", "everything"] = setting(
        "sky+water", "What to animate when no --mask is given.", unless="mask"
    )
    mask_network: Path | None = setting(
        None, "Seer that `cinegan train` made, instead of the shipped one.", metavar="FILE"
    )


@dataclass(frozen=True)
class MotionConfig:
    """Where it moves, and how fast."""

    motion: MotionSource | None = setting(
        None, "Motion field (.npy, .npz, .flo), px per frame at 30 fps on its own grid.", metavar="FILE", array="field"
    )
    arrow: tuple[tuple[float, float, float, float], ...] = setting(
        (),
        "Motion at a place, repeatable: the arrow is one second's travel, in photo pixels.",
        metavar="X0,Y0,X1,Y1",
    )
    anchor: tuple[tuple[float, float], ...] = setting(
        (), "Point that stays still, repeatable, in photo pixels.", metavar="X,Y"
    )
    hints: Path | None = setting(None, "Arrows drawn in labelme (.json); added to those of --arrow.", metavar="FILE")
    direction: str | None = setting(
        None,
        "One direction for all that moves: left, right, up, down, or an angle such as 210deg (0 is right, 90 up).",
        metavar="DIR",
        number="{}",
    )
    motion_network: Path | None = setting(
        None,
        "What `cinegan train motion` made, in place of the shipped seer; the compact form follows --arrow.",
        metavar="FILE",
    )
    speed: float = setting(1.0, "Factor on the speed.", minimum=0.001, maximum=20.0)
    kind: tuple[str, ...] = setting(
        (),
        "What the moving area is: falls, rapids, river, surf, sea, lake, reflection, sky or fog; with @X,Y only the "
        "area at that photo pixel. Repeatable.",
        metavar="KIND[@X,Y]",
    )
    water: Literal["auto", "ripple", "flow"] = setting(
        "auto", "Calm water: waves to and fro, or a flow; auto takes waves for lakes and reflections."
    )
    cycles: str = setting(
        "auto",
        "How often fast areas run through their own cycle within the loop: auto, or a whole number for all; after it, "
        "numbers for kinds, as in auto,falls=8.",
        metavar="auto|N",
        number="{}",
        rendering=True,
        read_by={"mode": ("bands",), "warp": ("inverse", "coordinates", "backward"), "loop": ("flow",)},
    )


@dataclass(frozen=True)
class WeatherConfig:
    """The wind and the light of DeepLandscape."""

    wind: str | None = setting(
        None,
        "Where the clouds drift, as on a clock: 1h to 12h (12h is towards the viewer); or a homography file. Without "
        "it they go where the motion of the other options goes.",
        metavar="1h..12h|FILE",
        read_by=LANDSCAPE,
    )
    wind_set: Literal["manual", "slow2", "x2.5", "x4", "selected"] | None = setting(
        None, "How fast: the release's sets of homographies.  [default: x2.5, as in real clips]", needs="wind"
    )
    light: Literal["day", "bright", "evening", "sunset", "afterglow", "dusk", "night", "morning"] | None = setting(
        None, "Go from the photo's light to this one and back within the loop.", read_by=LANDSCAPE
    )
    light_cycle: bool = setting(
        False, "Go through a whole day within the loop, from the photo's light on.", read_by=LANDSCAPE, unless="light"
    )


@dataclass(frozen=True)
class RenderConfig:
    """How the frames are made."""

    seconds: float = setting(4.0, "Length of one cycle.", minimum=0.1, maximum=120.0)
    fps: float = setting(
        30.0,
        "Frames per second; never changes the speed or the length of the cycle.",
        minimum=1.0,
        maximum=240.0,
    )
    loop: Literal["flow", "pingpong", "crossfade"] = setting(
        "flow",
        "How the cycle closes: joint splatting, there and back, or a dissolve from its end to its start.",
    )
    warp: Literal["inverse", "coordinates", "splat", "rgb", "backward"] = setting(
        "inverse",
        "Undo the flow's steps or splat where pixels come from, and sample sharply there; or the paper's splat and "
        "its ablations.",
    )
    blend: Literal["contrast", "linear"] = setting(
        "contrast",
        "Keep the contrast of both directions, or average them (paper).",
        read_by={
            "mode": ("bands",),
            "warp": ("inverse", "coordinates", "splat", "backward"),
            "loop": ("flow", "crossfade"),
        },
    )
    fill: Literal["smooth", "paper"] = setting(
        "smooth",
        "Holes: from around, or 7x7 median and Telea inpainting (paper).",
        read_by={"warp": ("coordinates", "splat", "rgb")},
    )

    @property
    def frames(self) -> int:
        """N, the number of frames in one cycle: at least 3; even for "pingpong", whose two ways are equally long."""
        if self.loop == "pingpong":
            return max(4, 2 * round(self.seconds * self.fps / 2))
        return max(3, round(self.seconds * self.fps))


@dataclass(frozen=True)
class StyleConfig:
    """What the picture is to look like."""

    target: str | None = setting(
        None, "The look: a name of --list, a colour such as #ff8800, or a photo to take it from.", metavar="LOOK"
    )
    strength: float = setting(
        1.0,
        "How far to go: β of Eq. 5, 0 is the photo, 1 the look.",
        minimum=0.0,
        maximum=1.5,
        metavar="BETA",
        needs="target",
    )
    cycle: bool = setting(False, "Go from the photo to the look and back within the loop.", needs="target")


@dataclass(frozen=True)
class VideoConfig:
    """What is written."""

    out: tuple[Path, ...] = setting(
        (),
        "Output: .mp4, .webm, .mov, .gif, .webp, .apng, or a folder pattern such as frames/%04d.png. Repeatable.",
        metavar="FILE",
    )
    overwrite: bool = setting(False, "Replace outputs that exist.")
    quality: int = setting(80, "Quality of lossy outputs, 1 to 100.", minimum=1, maximum=100, read_by={"output": LOSSY})
    codec: Literal["h264", "hevc", "av1", "vp9", "prores"] = setting(
        "h264",
        "h264 plays everywhere; hevc allows larger pictures, not in every browser; av1 on newer devices; vp9 is that "
        "of .webm; prores is for editing, in .mov.",
        read_by={"output": (".mp4", ".webm", ".mov")},
    )
    encoder: Literal["software", "nvenc", "qsv", "vaapi", "videotoolbox"] = setting(
        "software",
        "Who encodes videos: hardware is faster where it works, and its files are larger.",
        read_by={"output": (".mp4", ".webm", ".mov")},
    )
    max_bytes: str | None = setting(
        None,
        "Largest size of each video file, such as 5MB; quality is lowered to fit.",
        metavar="SIZE",
        number="{}",
        read_by={"output": (*LOSSY, ".apng")},
    )
    repeat: int = setting(1, "Cycles to write, for players that cannot loop.", minimum=1, maximum=1000)
    preset: Literal["web", "wallpaper", "gif", "story"] | None = setting(
        None, "Settings for a destination; options given win over it."
    )


@dataclass(frozen=True)
class RunConfig:
    """How the run behaves."""

    device: Literal["auto", "cpu", "cuda", "mps"] = setting("auto", "Where to compute.")
    threads: int | None = setting(None, "CPU threads; all of them by default.", minimum=1, maximum=1024)
    precision: Precision = setting(
        "auto",
        "Of the encoder's and the generator's convolutions; auto takes bfloat16 where the hardware multiplies it "
        "faster.",
        read_by=GENERATOR,
    )
    strict: bool = setting(
        False, "Fail (status 7) instead of going on when the mask is doubtful or the loop is not clean."
    )


@dataclass(frozen=True)
class SampleConfig:
    """Pictures and videos that a generator makes from nothing."""

    models: str | None = setting(
        None,
        "Set of models: a name from `cinegan models list`, or a bundle (.safetensors).  [default: the first that can]",
        metavar="NAME|FILE",
    )
    count: int = setting(1, "How many, each from a seed of its own.", minimum=1, maximum=100000)
    seed: int = setting(0, "The first seed; the others count on.", minimum=0, maximum=2**62)
    truncation: float = setting(
        0.7, "How far from the average landscape: 0 is the average itself, 1 all there is.", minimum=0.0, maximum=2.0
    )
    size: str | None = setting(
        None,
        "Width and height in pixels, or the side of a square; even.  [default: the generator's own]",
        metavar="WxH",
        number="{}",
    )
    homography: str = setting(
        "3h",
        "Videos: where clouds go, as on a clock (12h is away, up), or a file of four lines dx dy.",
        metavar="1h..12h|FILE",
        moving=True,
    )
    set: Literal["manual", "slow2", "x2.5", "x4", "selected"] = setting(
        "manual",
        "Videos: the paper's speeds, half of them, those of real clips, faster ones, or the authors' favourites.",
        moving=True,
    )
    seconds: float | None = setting(
        None, "Videos: length.  [default: 100 frames, the paper's]", minimum=0.1, maximum=120.0, moving=True
    )
    fps: float = setting(30.0, "Videos: frames per second.", minimum=1.0, maximum=240.0, moving=True)
    light_cycle: bool = setting(False, "Videos: let the light change, and come back.", moving=True)
    no_loop: bool = setting(
        False, "Videos: let the noise go on instead of coming back to the first frame.", moving=True
    )

    @property
    def frames(self) -> int:
        """Of a video, at least 3."""
        return 100 if self.seconds is None else max(3, round(self.seconds * self.fps))

"""The nodes. Each does what a command of `cinegan` does; the types between them are those of `convert.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import comfy.model_management
import comfy.utils
import folder_paths
import torch
from torch import Tensor

from cinegan_cli import Config, frames
from cinegan_cli.config import PhotoConfig, VideoConfig
from cinegan_cli.scene import prepare, prepare_look, prepare_mask
from cinegan_cli.stages.look import COLOURS, LOOKS
from cinegan_cli.stages.mask import overlay
from cinegan_cli.stages.motion import arrows_over_photo
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.stages.video import write_loop
from cinegan_cli.types import KINDS, Mask

from .convert import chosen, images_of, masks, parse_arrows, pictures, session

AS_FOUND = "as found"
LONGEST = ("INT", {"default": 1280, "min": 16, "max": 16384, "step": 2, "tooltip": "Longest side, in pixels."})
DIRECTION = ("STRING", {"default": "", "tooltip": "left, right, up, down or 210deg (0 right, 90 up); empty: as found"})
SPEED = ("FLOAT", {"default": 1.0, "min": 0.05, "max": 20.0, "step": 0.05})
WATER = (["auto", "ripple", "flow"], {"tooltip": "Calm water: waves to and fro, or a flow."})
MOVE = (["sky+water", "sky", "water", "everything"], {"tooltip": "What may move where no mask is connected."})


class Node:
    """What all nodes share."""

    CATEGORY = "cinegan"
    FUNCTION = "run"


class CineganLoad(Node):
    """A photo at its own size: upright, in sRGB; also HEIC, raw, 16-bit and HDR files."""

    TITLE = "Load photo (cinegan)"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        inputs = Path(folder_paths.get_input_directory())
        names = sorted(path.name for path in inputs.iterdir() if path.is_file())
        longest = ("INT", {**LONGEST[1], "default": 3840})
        return {"required": {"image": (names, {"image_upload": True}), "max_side": longest}}

    @classmethod
    def IS_CHANGED(cls, image: str, max_side: int) -> float:
        return Path(folder_paths.get_annotated_filepath(image)).stat().st_mtime

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> bool | str:
        return bool(folder_paths.exists_annotated_filepath(image)) or f"{image}: is not in the input folder"

    def run(self, image: str, max_side: int) -> tuple[Tensor]:
        path = Path(folder_paths.get_annotated_filepath(image))
        return (read_photo(path, PhotoConfig(max_side=max_side)).pixels.permute(1, 2, 0)[None],)


class CineganSee(Node):
    """What moves in a picture: the mask (1 moves), the picture tinted by it, and the kinds with their shares."""

    TITLE = "See what moves (cinegan)"
    RETURN_TYPES = ("MASK", "IMAGE", "STRING")
    RETURN_NAMES = ("mask", "tinted", "kinds")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image": ("IMAGE",), "move": MOVE}, "optional": {"freeze": ("MASK",)}}

    def run(self, image: Tensor, move: str, freeze: Tensor | None = None) -> tuple[Tensor, Tensor, str]:
        found, tinted, kinds = [], [], []
        for picture, still in zip(pictures(image), masks(freeze, len(image)), strict=True):
            comfy.model_management.throw_exception_if_processing_interrupted()
            config = Config.from_options(max_side=16384, move=move, freeze=still)
            photo, mask = prepare_mask(picture, config, session())
            found.append(mask.alpha)
            tinted.append(overlay(photo, mask))
            kinds.append(_kinds(mask))
        size = tuple(image.shape[1:3])  # odd sides lose a row or column in cinegan
        grown = torch.nn.functional.interpolate(torch.stack(found)[:, None], size=size)[:, 0]
        return grown, images_of(tinted), "\n".join(kinds)


class CineganArrows(Node):
    """Arrows (one second's travel) and points that stay, one a line: X0,Y0,X1,Y1 or X,Y in pixels of the picture."""

    TITLE = "Arrows (cinegan)"
    RETURN_TYPES = ("ARROWS",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        text = ("STRING", {"multiline": True, "default": "100,200,160,200", "tooltip": cls.__doc__})
        return {"required": {"text": text}, "optional": {"arrows": ("ARROWS",)}}

    def run(self, text: str, arrows: dict[str, Any] | None = None) -> tuple[dict[str, Any]]:
        own, before = parse_arrows(text), arrows or {"arrow": [], "anchor": []}
        return ({name: [*before[name], *own[name]] for name in own},)


class CineganMotion(Node):
    """How it would move: for Animate, and as a picture of arrows in the colours of kinds."""

    TITLE = "Motion (cinegan)"
    RETURN_TYPES = ("MOTION", "IMAGE")
    RETURN_NAMES = ("motion", "picture")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {"image": ("IMAGE",), "move": MOVE, "speed": SPEED, "direction": DIRECTION, "water": WATER},
            "optional": {"mask": ("MASK",), "arrows": ("ARROWS",)},
        }

    def run(
        self, image: Tensor, mask: Tensor | None = None, arrows: dict[str, Any] | None = None, **asked: Any
    ) -> tuple[dict[str, Any], Tensor]:
        options = chosen(**asked, **(arrows or {}))
        fields, drawn = [], []
        for picture, moving in zip(pictures(image), masks(mask, len(image)), strict=True):
            comfy.model_management.throw_exception_if_processing_interrupted()
            scene = prepare(picture, Config.from_options(max_side=16384, **_with_mask(options, moving)), session())
            fields.append(scene.motion.velocity * (scene.photo.size[0] / scene.motion.velocity.shape[2]))
            drawn.append(arrows_over_photo(scene.photo, scene.mask, scene.motion))
        return {"options": options, "fields": fields}, images_of(drawn)


class CineganAnimate(Node):
    """The frames of the loop of each picture, one loop after the other, with progress; can be cancelled."""

    TITLE = "Animate (cinegan)"
    RETURN_TYPES = ("IMAGE", "FLOAT")
    RETURN_NAMES = ("frames", "fps")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        settings = {
            "seconds": ("FLOAT", {"default": 4.0, "min": 0.1, "max": 120.0, "step": 0.1}),
            "fps": ("FLOAT", {"default": 30.0, "min": 1.0, "max": 240.0, "step": 0.5}),
            "max_side": LONGEST,
            "loop": (["flow", "pingpong", "crossfade"],),
            "look": ([AS_FOUND, *LOOKS], {"tooltip": "Go to this look and back within the loop."}),
        }
        optional = {"mask": ("MASK",), "freeze": ("MASK",), "motion": ("MOTION",), "arrows": ("ARROWS",)}
        return {"required": {"image": ("IMAGE",), **settings}, "optional": optional}

    def run(
        self,
        image: Tensor,
        look: str,
        mask: Tensor | None = None,
        freeze: Tensor | None = None,
        motion: dict[str, Any] | None = None,
        arrows: dict[str, Any] | None = None,
        **settings: Any,
    ) -> tuple[Tensor, float]:
        options = {**settings, **(motion or {"options": {}})["options"]}
        for name, drawn in (arrows or {}).items():
            options[name] = [*options.get(name, []), *drawn]
        if look != AS_FOUND:
            options |= {"target": look, "cycle": True}
        runs = [
            Config.from_options(**_with_mask(options, moving), freeze=still)
            for moving, still in zip(masks(mask, len(image)), masks(freeze, len(image)), strict=True)
        ]
        return _rendered(pictures(image), runs), settings["fps"]


class CineganLook(Node):
    """A picture in another light: golden hour, dusk, night and so on, or tinted by a colour."""

    TITLE = "Look (cinegan)"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        strength = ("FLOAT", {"default": 1.0, "min": 0.0, "max": 1.5, "step": 0.05})
        return {"required": {"image": ("IMAGE",), "look": ([*LOOKS, *COLOURS],), "strength": strength}}

    def run(self, image: Tensor, look: str, strength: float) -> tuple[Tensor]:
        config = Config.from_options(max_side=16384, target=look, strength=strength)
        found = []
        for picture in pictures(image):
            comfy.model_management.throw_exception_if_processing_interrupted()
            found.append(prepare_look(picture, config, session()).photo.pixels_u8)
        return (images_of(found),)


class CineganSave(Node):
    """Frames as a loop in the output folder: its end leads to its start, in every format."""

    TITLE = "Save loop (cinegan)"
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("path",)
    OUTPUT_NODE = True
    FORMATS: ClassVar[list[str]] = ["mp4", "webp", "gif", "webm", "apng"]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "frames": ("IMAGE",),
                "fps": ("FLOAT", {"default": 30.0, "min": 1.0, "max": 240.0, "step": 0.5}),
                "filename_prefix": ("STRING", {"default": "cinegan/loop"}),
                "format": (cls.FORMATS,),
                "quality": ("INT", {"default": 80, "min": 1, "max": 100}),
            }
        }

    def run(self, frames: Tensor, fps: float, filename_prefix: str, format: str, quality: int) -> dict[str, Any]:
        height, width = (side - side % 2 for side in frames.shape[1:3])  # videos have even sides
        output = folder_paths.get_output_directory()
        folder, name, number, below, _ = folder_paths.get_save_image_path(filename_prefix, output, width, height)
        path = Path(folder) / f"{name}_{number:05}_.{format}"
        write_loop(
            (pictures(frame[None, :height, :width])[0] for frame in frames),
            size=(width, height),
            fps=fps,
            count=len(frames),
            config=VideoConfig(out=(path,), quality=quality),
        )
        shown = {"filename": path.name, "subfolder": below, "type": "output"}
        return {"ui": {"images": [shown], "animated": (True,)}, "result": (str(path),)}


NODES = (CineganLoad, CineganSee, CineganArrows, CineganMotion, CineganAnimate, CineganLook, CineganSave)


def _with_mask(options: dict[str, Any], moving: Any) -> dict[str, Any]:
    """The options with the mask, which leaves nothing to say about what else may move."""
    if moving is None:
        return options
    return {"mask": moving, **{name: value for name, value in options.items() if name != "move"}}


def _rendered(photos: list[Any], runs: list[Config]) -> Tensor:
    """All frames of all loops, float [N, H, W, 3]; the only copy of them is the one that ComfyUI wants."""
    counts = [config.render.frames for config in runs]
    bar = comfy.utils.ProgressBar(sum(counts))
    batch, done = torch.empty(0), 0

    def watch(what: str, step: int, steps: int) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()

    for photo, config in zip(photos, runs, strict=True):
        for frame in frames(photo, config, session=session(), progress=watch):
            if done == 0:
                batch = torch.empty(sum(counts), *frame.shape)
            batch[done] = torch.from_numpy(frame).float() / 255
            done += 1
            bar.update_absolute(done)
    return batch


def _kinds(mask: Mask) -> str:
    """Such as "sky 41 %, sea 22 %": the shares of the picture that move as each kind."""
    if mask.sight is None:
        return f"{float(mask.alpha.mean()):.0%} moves"
    small = torch.nn.functional.adaptive_avg_pool2d(mask.alpha[None], mask.sight.kinds.shape[1:])[0]
    best = mask.sight.kinds[1:].argmax(0) + 1  # of what moves; 0 is static
    shares = {kind: float(small[best == number].sum() / small.numel()) for number, kind in enumerate(KINDS)}
    told = sorted(((share, kind) for kind, share in shares.items() if share >= 0.01), reverse=True)
    return ", ".join(f"{kind} {share:.0%}" for share, kind in told) or "nothing moves"

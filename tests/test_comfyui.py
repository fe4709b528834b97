"""The nodes for ComfyUI, run as its executor runs a workflow, against stand-ins for its three modules."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import cinegan_cli
from cinegan_cli.errors import UsageError
from cinegan_cli.evaluate.check import check_loop
from tests.small_scene import HEIGHT, WIDTH, texture, tree, upper_half, write_scene

PACK = Path(__file__).parents[1] / "examples" / "comfyui"
WORKFLOWS = PACK / "workflows"
WIDGETS = ("INT", "FLOAT", "STRING")
QUICK: dict[str, Any] = {"seconds": 0.3, "fps": 10.0, "max_side": 1280, "loop": "flow", "look": "as found"}
ARROW = "10,10,50,12"


class Interrupted(Exception):
    """What ComfyUI raises in a node when its user cancels."""


class PreviewImage:
    """ComfyUI's own node, as far as workflows here use it."""

    RETURN_TYPES = ()
    FUNCTION = "keep"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"images": ("IMAGE",)}}

    def keep(self, images: torch.Tensor) -> dict[str, Any]:
        assert images.ndim == 4
        assert images.shape[3] == 3
        assert images.dtype == torch.float32
        assert 0 <= images.min() <= images.max() <= 1
        return {"ui": {"images": []}}


class Comfy:
    """A ComfyUI with an input and an output folder, which runs workflows in API format."""

    def __init__(self, folder: Path) -> None:
        self.inputs, self.outputs = folder / "input", folder / "output"
        self.inputs.mkdir(exist_ok=True)
        self.outputs.mkdir(exist_ok=True)
        self.told: list[tuple[int, int]] = []
        self.cancel_at = sys.maxsize
        self.nodes: dict[str, Any] = {}

    def modules(self) -> dict[str, ModuleType]:
        comfy = self

        class ProgressBar:
            def __init__(self, total: int) -> None:
                self.total = total

            def update_absolute(self, value: int) -> None:
                comfy.told.append((value, self.total))

        def throw_exception_if_processing_interrupted() -> None:
            if len(comfy.told) >= comfy.cancel_at:
                raise Interrupted

        def get_save_image_path(prefix: str, output: str, width: int, height: int) -> tuple[str, str, int, str, str]:
            path = Path(output) / prefix
            path.parent.mkdir(parents=True, exist_ok=True)
            number = len(list(path.parent.glob(f"{path.name}_*"))) + 1
            return str(path.parent), path.name, number, str(Path(prefix).parent), prefix

        contents: dict[str, dict[str, Any]] = {
            "comfy": {},
            "comfy.utils": {"ProgressBar": ProgressBar},
            "comfy.model_management": {
                "throw_exception_if_processing_interrupted": throw_exception_if_processing_interrupted,
                "get_torch_device": lambda: torch.device("cpu"),
            },
            "folder_paths": {
                "get_input_directory": lambda: str(self.inputs),
                "get_output_directory": lambda: str(self.outputs),
                "get_annotated_filepath": lambda name: str(self.inputs / name),
                "exists_annotated_filepath": lambda name: (self.inputs / name).is_file(),
                "get_save_image_path": get_save_image_path,
            },
        }
        modules = {name: ModuleType(name) for name in contents}
        for name, module in modules.items():
            vars(module).update(contents[name])
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(modules[parent], child, module)
        return modules

    def load(self) -> None:
        """Import the pack as ComfyUI does: from its folder, under a name that is no identifier."""
        name = f"{PACK}-loaded"
        spec = importlib.util.spec_from_file_location(name, PACK / "__init__.py")
        assert spec is not None
        assert spec.loader is not None
        pack = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(pack)
        assert pack.NODE_CLASS_MAPPINGS.keys() == pack.NODE_DISPLAY_NAME_MAPPINGS.keys()
        self.nodes = {**pack.NODE_CLASS_MAPPINGS, "PreviewImage": PreviewImage}

    def run(self, workflow: dict[str, Any]) -> dict[str, Any]:
        """Validate every node's inputs and run all that outputs need; results by number of the node."""
        done: dict[str, Any] = {}
        for number, step in workflow.items():
            if getattr(self.nodes[step["class_type"]], "OUTPUT_NODE", False):
                self._result(number, workflow, done)
        return done

    def _result(self, number: str, workflow: dict[str, Any], done: dict[str, Any]) -> Any:
        if number not in done:
            step = workflow[number]
            kind = self.nodes[step["class_type"]]
            values = self._inputs(kind, step["inputs"], workflow, done)
            with torch.inference_mode():
                done[number] = getattr(kind(), kind.FUNCTION)(**values)
        return done[number]

    def _inputs(self, kind: Any, given: dict[str, Any], workflow: dict[str, Any], done: dict[str, Any]) -> Any:
        types = kind.INPUT_TYPES()
        wanted = {**types["required"], **types.get("optional", {})}
        assert types["required"].keys() <= given.keys() <= wanted.keys()
        values = {}
        for name, value in given.items():
            wants, *more = wanted[name]
            if isinstance(value, list):
                source, slot = value
                assert self.nodes[workflow[source]["class_type"]].RETURN_TYPES[slot] == wants
                result = self._result(source, workflow, done)
                values[name] = (result["result"] if isinstance(result, dict) else result)[slot]
                continue
            assert value in wants if isinstance(wants, list) else wants in WIDGETS
            if wants in ("INT", "FLOAT"):
                assert more[0]["min"] <= value <= more[0]["max"]
            values[name] = value
        if hasattr(kind, "VALIDATE_INPUTS"):
            assert kind.VALIDATE_INPUTS(values["image"]) is True
        return values


@pytest.fixture
def comfy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comfy:
    made = Comfy(tmp_path)
    for name, module in made.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    for name in [name for name in sys.modules if name.startswith(f"{PACK}-loaded")]:
        monkeypatch.delitem(sys.modules, name)
    made.load()
    write_scene(made.inputs)
    return made


def call(comfy: Comfy, name: str, **inputs: Any) -> Any:
    node = comfy.nodes[name]()
    with torch.inference_mode():
        return getattr(node, node.FUNCTION)(**inputs)


def batch(*pictures: Any) -> torch.Tensor:
    return torch.stack([torch.from_numpy(np.asarray(p)).float() / 255 for p in pictures])


def bytes_of(images: torch.Tensor) -> Any:
    return (images * 255).round().to(torch.uint8).numpy()


def test_the_workflow_runs_and_its_loop_is_clean(comfy: Comfy) -> None:
    workflow = json.loads((WORKFLOWS / "loop_api.json").read_text())
    shutil.copy(PACK.parent / "cove.jpg", comfy.inputs)
    workflow["1"]["inputs"]["max_side"] = 160
    workflow["3"]["inputs"]["text"] = "130,50,120,52\n97,70"
    workflow["6"]["inputs"] |= {"seconds": 1.0, "fps": 12.0}
    done = comfy.run(workflow)
    path = Path(done["7"]["result"][0])
    assert path == comfy.outputs / "cinegan" / "loop_00001_.mp4"
    assert done["7"]["ui"]["images"] == [{"filename": path.name, "subfolder": "cinegan", "type": "output"}]
    report = check_loop(path)
    assert (report.passed, report.loop.frames, report.loop.size) == (True, 12, (160, 128))
    assert done["2"][0].shape == (1, 128, 160)
    assert 0.2 < float(done["2"][0].mean()) < 0.9
    assert "%" in done["2"][2]
    left = done["4"][0]["fields"][0][0]
    assert float(left.mean()) < 0
    assert comfy.told == [(step, 12) for step in range(1, 13)]


def test_the_workflow_to_drop_into_the_page_is_the_same(comfy: Comfy) -> None:
    wanted = json.loads((WORKFLOWS / "loop_api.json").read_text())
    page = json.loads((WORKFLOWS / "loop.json").read_text())
    links = {link[0]: [str(link[1]), link[2]] for link in page["links"]}
    found = {}
    for node in page["nodes"]:
        types = comfy.nodes[node["type"]].INPUT_TYPES()
        names = [
            name
            for name, (kind, *_) in {**types["required"], **types.get("optional", {})}.items()
            if isinstance(kind, list) or kind in WIDGETS
        ]
        inputs = dict(zip(names, node["widgets_values"], strict=False))  # an upload button is one value more
        inputs |= {slot["name"]: links[slot["link"]] for slot in node["inputs"] if slot["link"] is not None}
        found[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    assert found == wanted


def test_animate_gives_the_frames_of_the_library(comfy: Comfy) -> None:
    (image,) = call(comfy, "CineganLoad", image="photo.png", max_side=3840)
    assert (bytes_of(image)[0] == texture()).all()
    (arrows,) = call(comfy, "CineganArrows", text=f"{ARROW}\n\n# what stays\n3,3")
    (arrows,) = call(comfy, "CineganArrows", text="[[20, 20, 30, 20]]", arrows=arrows)
    mask = torch.from_numpy(upper_half()).float() / 255
    options: dict[str, Any] = {
        "arrow": [(10, 10, 50, 12), (20, 20, 30, 20)],
        "anchor": [(3, 3)],
        "seconds": 0.3,
        "fps": 10,
    }
    wanted = np.stack(list(cinegan_cli.frames(texture(), mask=upper_half(), **options)))
    made, fps = call(comfy, "CineganAnimate", image=image, mask=mask, arrows=arrows, **QUICK)
    assert (made.dtype, fps) == (torch.float32, 10.0)
    assert (bytes_of(made) == wanted).all()
    asked: dict[str, Any] = {"move": "sky", "speed": 1.0, "direction": "", "water": "auto"}
    motion, picture = call(comfy, "CineganMotion", image=image, mask=mask, arrows=arrows, **asked)
    assert picture.shape == (1, HEIGHT, WIDTH, 3)
    assert float(motion["fields"][0][0].max()) > 5
    made, _ = call(comfy, "CineganAnimate", image=image, mask=mask[None], motion=motion, **QUICK)
    assert (bytes_of(made) == wanted).all()


def test_batches_go_through_picture_by_picture(comfy: Comfy) -> None:
    photos = batch(texture(), texture()[::-1].copy())
    (arrows,) = call(comfy, "CineganArrows", text=f"{ARROW}\n10,40,50,40")
    masks = batch(upper_half(), upper_half()[::-1].copy())
    both, _ = call(comfy, "CineganAnimate", image=photos, mask=masks, arrows=arrows, **QUICK)
    assert comfy.told[-1] == (6, 6)
    second, _ = call(comfy, "CineganAnimate", image=photos[1:], mask=masks[1:], arrows=arrows, **QUICK)
    assert torch.equal(both[3:], second)
    left = torch.zeros(1, HEIGHT, WIDTH)
    left[:, :, : WIDTH // 2] = 1
    frozen, _ = call(comfy, "CineganAnimate", image=photos, freeze=left, mask=masks, arrows=arrows, **QUICK)
    still = frozen.reshape(2, 3, HEIGHT, WIDTH, 3) == photos[:, None]
    assert still[:, :, :, : WIDTH // 2].all()
    assert not still[:, 1].all()
    with pytest.raises(ValueError, match="3 masks for 2 pictures"):
        call(comfy, "CineganAnimate", image=photos, mask=torch.ones(3, HEIGHT, WIDTH), arrows=arrows, **QUICK)
    looks = call(comfy, "CineganLook", image=photos, look="night", strength=1.0)[0]
    assert looks.shape == photos.shape
    assert float(looks.mean()) < 0.8 * float(photos.mean())


def test_masks_have_the_size_of_the_picture_whatever_it_is(comfy: Comfy) -> None:
    mask, tinted, kinds = call(comfy, "CineganSee", image=batch(texture(65, 47)), move="everything")
    assert mask.shape == (1, 47, 65)
    assert tinted.shape[0] == 1
    assert kinds


def test_cancelling_stops_between_frames(comfy: Comfy) -> None:
    (arrows,) = call(comfy, "CineganArrows", text=ARROW)
    mask = torch.from_numpy(upper_half()).float() / 255
    comfy.cancel_at = 2
    with pytest.raises(Interrupted):
        call(comfy, "CineganAnimate", image=batch(texture()), mask=mask, arrows=arrows, **{**QUICK, "seconds": 100.0})
    assert comfy.told == [(1, 1000), (2, 1000)]


@pytest.mark.parametrize("ending", ["mp4", "webp", "gif"])
def test_save_takes_any_frames(comfy: Comfy, ending: str) -> None:
    frames = batch(*(np.roll(texture(65, 47), 3 * k, axis=1) for k in range(4)))
    for number in (1, 2):
        options: dict[str, Any] = {"filename_prefix": "sub/x", "format": ending, "quality": 90}
        saved = call(comfy, "CineganSave", frames=frames, fps=10.0, **options)
        assert saved["result"] == (str(comfy.outputs / "sub" / f"x_0000{number}_.{ending}"),)
        assert check_loop(Path(saved["result"][0])).loop.size == (64, 46)


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "[1, 2]", "[[1,2,3,4]", "1,2;3,4"])
def test_bad_arrows_are_refused_in_one_line(comfy: Comfy, text: str) -> None:
    with pytest.raises(ValueError, match="arrow") as caught:
        call(comfy, "CineganArrows", text=text)
    assert "\n" not in str(caught.value)


def test_errors_leave_nothing_behind(comfy: Comfy) -> None:
    before = tree(comfy.outputs)
    (arrows,) = call(comfy, "CineganArrows", text="1000,1000,1010,1000")
    with pytest.raises(UsageError, match="1000"):
        call(comfy, "CineganAnimate", image=batch(texture()), arrows=arrows, **QUICK)
    assert comfy.nodes["CineganLoad"].VALIDATE_INPUTS("gone.png") == "gone.png: is not in the input folder"
    assert tree(comfy.outputs) == before

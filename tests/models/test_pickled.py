"""Whole pickled modules are read as data: nothing that a file asks for is executed, and anything unknown is refused."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cinegan_cli.errors import InputError
from cinegan_cli.models import load_released
from cinegan_cli.models.formats.pickled import MAGIC, read_pickled
from tests import deeplandscape_files as files
from tests.bad_files import Evil

# pieces of pickles, protocol 2
LINEAR = b"ctorch.nn.modules.linear\nLinear\n"
ROOT = b"cinference.encoders\nMLPApproximator\n"
ORDERED = b"ccollections\nOrderedDict\n"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"
FLOATS = b"ctorch\nFloatStorage\n"
MKDIR = b"cos\nmkdir\n"
EXECUTED = b"(X\x08\x00\x00\x00executedtR"  # calls what is on the stack with "executed"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a payload that ran would leave a folder named `executed`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def number(value: int) -> bytes:
    data = value.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def storage(key: str, count: int) -> bytes:
    return b"(" + text("storage") + FLOATS + text(key) + text("cpu") + number(count) + b"tQ"


def tensor(count: int, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    sizes, strides = (b"(" + b"".join(map(number, values)) + b"t" for values in (size, stride))
    return TENSOR + b"(" + storage("0", count) + number(offset) + sizes + strides + b"\x89" + ORDERED + b")RtR"


def module(*, parameters: bytes = b"}", modules: bytes = b"}", more: bytes = b"") -> bytes:
    """A root module with these members: pieces that leave one dict each."""
    state = text("_parameters") + parameters + text("_buffers") + b"}" + text("_modules") + modules
    return ROOT + b")\x81}(" + state + more + b"ub"


def entry(name: str, value: bytes) -> bytes:
    return b"}" + text(name) + value + b"s"


def zipped(path: Path, code: bytes, data: bytes = bytes(16), compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + code + b".")
        archive.writestr("archive/data/0", data)
        archive.writestr("archive/version", "3\n")
    return path


def legacy(path: Path, code: bytes) -> Path:
    head = [pickle.dumps(value, 2) for value in (MAGIC, 1001, {"little_endian": True})]
    path.write_bytes(
        b"".join((*head, b"\x80\x02", code, b".", pickle.dumps(["0"], 2), struct.pack("<q", 4), bytes(16)))
    )
    return path


CONTAINERS: dict[str, Callable[[Path, bytes], Path]] = {"zip": zipped, "legacy": legacy}
both = pytest.mark.parametrize("contain", CONTAINERS.values(), ids=CONTAINERS)


@both
def test_a_written_module_is_read(here: Path, contain: Callable[[Path, bytes], Path]) -> None:
    code = module(parameters=entry("weight", tensor(4, 1, (1, 3), (3, 1))))
    assert {name: value.shape for name, value in read_pickled(contain(here / "a.pth", code)).items()} == {
        "weight": (1, 3)
    }


def test_what_modules_hold_beside_tensors_is_left_out(here: Path) -> None:
    more = text("_backend") + b"ctorch.nn.backends.thnn\n_get_thnn_function_backend\n)R"
    more += text("names") + b"c__builtin__\nset\n(](" + text("a") + text("b") + b"etR"
    more += (
        text("shape") + b"ctorch\nSize\n(K\x03K\x04\x86tR" + text("kind") + LINEAR + text("pi") + b"G@\t!\xfbTD-\x18"
    )
    assert read_pickled(zipped(here / "a.pth", module(more=more))) == {}


LIVE = {  # what runs when Python's unpickler reads it
    "a call of os": MKDIR + EXECUTED,
    "a call before the module": MKDIR + EXECUTED + b"0" + module(),
    "a call of eval": b"cbuiltins\neval\n(" + text("__import__('os').mkdir('executed')") + b"tR",
    "a chain of getattr": b"cbuiltins\ngetattr\n(cos\n__dict__\n"
    + text("get")
    + b"tR("
    + text("mkdir")
    + b"tR"
    + EXECUTED,
    "a module that is a call": module(modules=entry("impl", MKDIR + EXECUTED)),
    "a call as a parameter": module(parameters=entry("weight", MKDIR + EXECUTED)),
    "a call in an attribute": module(more=text("name") + MKDIR + EXECUTED),
    "a call in an OrderedDict": module(more=text("hooks") + ORDERED + b")R" + text("a") + MKDIR + EXECUTED + b"s"),
    "a call as a key": module(more=text("hooks") + b"}" + MKDIR + EXECUTED + b"Ns"),
    "a call as an argument": module(more=text("a") + ORDERED + b"(]" + text("a") + MKDIR + EXECUTED + b"\x86atR"),
    "a call as a storage": module(parameters=entry("weight", TENSOR + b"(" + MKDIR + EXECUTED + b"K\x00)))tR")),
    "an instance": b"(" + text("executed") + b"ios\nmkdir\n",
    "an object": b"(cos\nmkdir\n" + text("executed") + b"o",
    "a name from the stack": text("os") + text("mkdir") + b"\x93" + EXECUTED,
    "a name with dots": text("os") + text("path.os.mkdir") + b"\x93" + EXECUTED,
}


@both
@pytest.mark.parametrize("name", LIVE)
def test_no_call_is_made(here: Path, contain: Callable[[Path, bytes], Path], name: str) -> None:
    path = contain(here / "a.pth", LIVE[name])
    for read in (read_pickled, load_released):
        with pytest.raises(InputError, match=r"refused|damaged"):
            read(path)
    assert [entry.name for entry in here.iterdir()] == ["a.pth"]


class Loose(pickle.Unpickler):
    """Python's unpickler, which knows storages and the release's classes too."""

    def persistent_load(self, reference: Any) -> Any:
        return reference


@pytest.mark.parametrize("name", LIVE)
def test_pythons_unpickler_would_run_them(here: Path, name: str) -> None:
    with files.pretended(), suppress(TypeError, RuntimeError, AttributeError):  # of what comes after the call
        Loose(io.BytesIO(b"\x80\x04" + LIVE[name] + b".")).load()
    assert (here / "executed").is_dir()


HOSTILE = {  # other tricks, and bombs
    "a class that is called": module(modules=entry("impl", LINEAR + b"(K\x03K\x03tR")),
    "an object with arguments": module(modules=entry("impl", LINEAR + b"(K\x03t\x81")),
    "an object of a function": module(modules=entry("impl", TENSOR + b")\x81")),
    "a state for a class": module(modules=entry("impl", LINEAR + b"}b")),
    "a state for a function": module(more=text("a") + TENSOR + b"}" + text("__defaults__") + b")sb"),
    "a state for a dict": module(more=text("a") + b"}}b"),
    "slots as a state": ROOT + b")\x81N}" + text("__class__") + LINEAR + b"s\x86b",
    "a registered extension": b"\x82\x01",
    "another class of the release": b"cinference.encoders\nos\n)\x81}b",
    "a function of torchvision": b"ctorchvision.models.resnet\nload_state_dict_from_url\n(" + text("file:///a") + b"tR",
    "torch's own loader": b"ctorch.serialization\nload\n(" + text("a.pth") + b"tR",
    "a storage from a file": b"ctorch\nUntypedStorage\n(" + text("a") + b"tR",
    "a reference to something": b"(" + text("file") + text("a") + text("b") + text("c") + b"tQ",
    "no module at all": b"}",
    "a module of another kind": LINEAR + b")\x81}b",
    "a module within itself": ROOT
    + b")\x81q\x00}("
    + text("_parameters")
    + b"}"
    + text("_buffers")
    + b"}"
    + text("_modules")
    + b"}"
    + text("a")
    + b"h\x00sub",
    "names that are no words": module(parameters=entry("a\nb", tensor(4, 0, (4,), (1,)))),
    "a parameter that is a number": module(parameters=entry("a", b"K\x03")),
    "a text longer than the file": b"\x8d" + struct.pack("<Q", 2**62) + b"a",
    "a number longer than the file": b"\x8b" + struct.pack("<i", 2**30) + b"a",
    "a line without end": b"c" + b"a" * 10_000,
    "a storage longer than its data": module(parameters=entry("a", tensor(2**39, 0, (4,), (1,)))),
    "a tensor longer than its storage": module(parameters=entry("a", tensor(4, 0, (5,), (1,)))),
    "a tensor beyond its storage": module(parameters=entry("a", tensor(4, 2, (3,), (1,)))),
    "a tensor with large steps": module(parameters=entry("a", tensor(4, 0, (2, 2), (3, 2)))),
    "one value repeated": module(parameters=entry("a", tensor(4, 0, (2**39,), (0,)))),
    "sizes below 0": module(parameters=entry("a", tensor(4, 0, (-1,), (1,)))),
    "steps below 0": module(parameters=entry("a", tensor(4, 3, (4,), (-1,)))),
    "sizes without steps": module(parameters=entry("a", tensor(4, 0, (4,), ()))),
    "values used twice": module(
        parameters=b"}(" + b"".join(text(f"a{k}") + tensor(4, 0, (4,), (1,)) for k in range(2)) + b"u"
    ),
    "nothing": b"",
    "two objects": b"NN",
    "a mark that stays open": b"(N",
    "too few on the stack": b"\x87",
    "entries without a value": b"}(Nu",
}


@both
@pytest.mark.parametrize("name", HOSTILE)
def test_tricks_and_bombs_are_refused(here: Path, contain: Callable[[Path, bytes], Path], name: str) -> None:
    with pytest.raises(InputError, match="refused") as refusal:
        read_pickled(contain(here / "a.pth", HOSTILE[name]))
    assert len(str(refusal.value).splitlines()) == 1
    assert len(str(refusal.value)) < 300 + len(str(here))


def test_what_is_said_names_the_culprit(here: Path) -> None:
    with pytest.raises(InputError, match=r"refused \(os\.mkdir\)"):
        read_pickled(zipped(here / "a.pth", MKDIR + EXECUTED))


@both
def test_tuples_of_tuples_take_no_time(here: Path, contain: Callable[[Path, bytes], Path]) -> None:
    """2^60 leaves if one walked them: as a value they are ignored, as a key refused."""
    nested = b"N\x85" + b"".join(b"q%ch%c\x86" % (k, k) for k in range(60))
    weight = entry("weight", tensor(4, 0, (4,), (1,)))
    assert [*read_pickled(contain(here / "a.pth", module(parameters=weight, more=text("a") + nested)))] == ["weight"]
    with pytest.raises(InputError, match="as a key"):
        read_pickled(contain(here / "a.pth", module(more=text("a") + b"}" + nested + b"Ns")))


def test_modules_of_modules_take_no_time(here: Path) -> None:
    """Each module twice in the next: 2^40 names if one walked them all."""
    kinds = text("_parameters") + b"}" + text("_buffers") + b"}" + text("_modules")
    start = b"ctorch.nn.modules.container\nSequential\n)\x81}(" + kinds + b"}"
    code = start + b"ubq\x00a"
    for k in range(40):
        code += start + b"(" + text("0") + b"h%c" % k + text("1") + b"h%cuubq%ca" % (k, k + 1)
    root = ROOT + b")\x81}(" + text("all") + b"]" + code + kinds + entry("0", b"h\x28") + b"ub"
    with pytest.raises(InputError, match="without end"):
        read_pickled(zipped(here / "a.pth", root))


@pytest.mark.parametrize(
    "change",
    [
        lambda path: zipped(
            path, module(parameters=entry("a", tensor(4, 0, (4,), (1,)))), compression=zipfile.ZIP_DEFLATED
        ),
        lambda path: zipped(path, module(parameters=entry("a", tensor(4, 0, (4,), (1,)))), data=bytes(12)),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04 and no more"),
        lambda path: path.write_bytes(pickle.dumps(MAGIC, 2)),
        lambda path: path.write_bytes(pickle.dumps(12345, 2)),
        lambda path: path.write_bytes(bytes(1000)),
    ],
)
def test_other_containers_are_refused(here: Path, change: Callable[[Path], object]) -> None:
    change(here / "a.pth")
    with pytest.raises(InputError, match="refused"):
        read_pickled(here / "a.pth")


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("place", ["attribute", "module", "parameter", "hook"])
def test_a_real_module_with_code_in_it(here: Path, place: str, old: bool) -> None:
    def change(whole: Any) -> None:
        if place == "attribute":
            whole.extra = Evil()
        elif place == "module":
            whole._modules["evil"] = Evil()
        elif place == "parameter":
            whole.out._parameters["evil"] = Evil()
        else:
            whole._forward_hooks = OrderedDict({0: Evil()})

    path = files.save_whole(here / "a.pth", files.lighting(), legacy=old, change=change)
    with pytest.raises(InputError, match=r"refused \(posix\.mkdir\)|refused \(nt\.mkdir\)"):
        load_released(path, kind="deeplandscape_lighting")
    assert [entry.name for entry in here.iterdir()] == ["a.pth"]


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("byte", [0x00, 0x2E, 0x52, 0x63, 0xFF])
def test_damage_anywhere_is_refused_or_harmless(here: Path, old: bool, byte: int) -> None:
    path = files.save_whole(here / "a.pth", files.lighting(hidden=2, blocks=1, style_dim=2), legacy=old)
    data = path.read_bytes()
    for place in range(0, min(len(data), 4000), 37):
        path.write_bytes(data[:place] + bytes([byte]) + data[place + 1 :])
        with suppress(InputError):
            assert all(isinstance(value, torch.Tensor) for value in read_pickled(path).values())
    assert [entry.name for entry in here.iterdir()] == ["a.pth"]


def test_a_network_of_another_author_is_refused(here: Path) -> None:
    torch.save(nn.Linear(2, 2), here / "a.pth")
    with pytest.raises(InputError, match="Linear, no known network"):
        load_released(here / "a.pth")

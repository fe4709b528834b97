"""Reads a pickle of a torch module as plain data, without Python's unpickler, which runs whatever a file names.

A small machine goes through the same instructions and knows only those that describe data: the name of a class stays a
name, an object is a record of its attributes, and the only functions are the few of `_CALLS`, which are ours. Anything
else ends the reading.
"""

from __future__ import annotations

import math
import mmap
import pickletools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple, cast

import torch

MAX_PICKLE = 2**25  # bytes of the description beside the tensors: ResNet-152's has 0.4 MB
MAX_STEPS = 2_000_000  # instructions: ResNet-152 takes 0.2 million

_CLASSES = re.compile(
    r"inference\.encoders\.(ResNetEncoder|ImageNetRenormalize|MLPApproximator|DenseResBlock)"
    r"|torchvision\.models\.resnet\.(ResNet|Bottleneck)"
    r"|torch\.nn\.modules\.[a-z]+\.[A-Z]\w+"
)
_STORAGES: Mapping[str, torch.dtype] = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.BoolStorage": torch.bool,
}


class Refused(Exception):
    """The reason why a file is not read: what in it is not known."""


@dataclass(frozen=True)
class Name:
    """A class or function that the file names; nothing but the name."""

    name: str


@dataclass(eq=False)
class Record:
    """An object of the class of that name. `state` is what the file says of it."""

    name: str
    state: dict[Any, Any] = field(default_factory=dict)


class Storage(NamedTuple):
    """A run of numbers elsewhere in the file."""

    key: str
    dtype: torch.dtype
    numel: int


@dataclass(frozen=True, eq=False)
class View:
    """A tensor to be cut from a storage once that is read; never longer than it."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class Source:
    """Bytes for the machine; a claim of more than there are allocates nothing."""

    def __init__(self, data: bytearray | mmap.mmap):
        self._data, self._at = data, 0

    def read(self, count: int) -> bytes:
        """Raises Refused where fewer are left."""
        if not 0 <= count <= len(self._data) - self._at:
            raise Refused("it ends too early")
        self._at += count
        return bytes(self._data[self._at - count : self._at])

    def readline(self) -> bytes:
        """Raises Refused where no line ends soon."""
        end = self._data.find(b"\n", self._at, self._at + 4096)
        if end < 0:
            raise Refused("a line without end")
        return self.read(end + 1 - self._at)

    def tell(self) -> int:
        return self._at


class Machine:
    """Carries out the instructions of one pickle, up to its STOP. `storages` is filled with those it refers to."""

    def __init__(self, source: Source, storages: dict[str, Storage] | None = None):
        self._source, self._storages = source, {} if storages is None else storages
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # stacks from before each open mark
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """What it describes: plain data, `Name`, `Record`, `View`. Raises Refused and what damage leads to."""
        start = self._source.tell()
        for step, (code, argument, place) in enumerate(pickletools.genops(cast(IO[bytes], self._source))):
            if step > MAX_STEPS or (place or 0) - start > MAX_PICKLE:
                raise Refused("too long a description")
            if code.name in _CONSTANTS:
                self._stack.append(_CONSTANTS[code.name]())
            elif code.name in _LITERALS:
                self._stack.append(argument)
            elif code.name in _STEPS:
                _STEPS[code.name](self, argument)
            elif code.name not in ("PROTO", "FRAME", "STOP"):
                raise Refused(f"the instruction {code.name}")
        if len(self._stack) != 1 or self._below:
            raise Refused("more or less than one object")
        return self._stack[0]

    def name(self, argument: str) -> None:
        name = argument.replace(" ", ".")
        if not (name in _CALLS or name in _STORAGES or _CLASSES.fullmatch(name)):
            raise Refused(ascii(name[:80]).strip("'"))
        self._stack.append(Name(name))

    def stacked_name(self, _: object) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not (isinstance(module, str) and isinstance(name, str)):
            raise Refused("a name that is no text")
        self.name(f"{module} {name}")

    def put(self, argument: int | None) -> None:
        self._memo[len(self._memo) if argument is None else argument] = self._stack[-1]

    def get(self, argument: int) -> None:
        self._stack.append(self._memo[argument])

    def call(self, _: object) -> None:
        arguments, called = self._stack.pop(), self._stack.pop()
        if not isinstance(called, Name) or called.name not in _CALLS or not isinstance(arguments, tuple):
            raise Refused(f"a call of {_what(called)}")
        self._stack.append(_CALLS[called.name](*arguments))

    def new(self, _: object) -> None:
        arguments, made = self._stack.pop(), self._stack.pop()
        if not isinstance(made, Name) or not _CLASSES.fullmatch(made.name) or arguments != ():
            raise Refused(f"an object of {_what(made)}")
        self._stack.append(Record(made.name))

    def build(self, _: object) -> None:
        state, record = self._stack.pop(), self._stack[-1]
        if not isinstance(record, Record) or not isinstance(state, dict):
            raise Refused(f"a state for {_what(record)}")
        record.state.update(state)

    def mark(self, _: object) -> None:
        self._below.append(self._stack)
        self._stack = []

    def marked_tuple(self, _: object) -> None:
        items = tuple(self._since_mark())
        self._stack.append(items)

    def tuple_of(self, count: int) -> None:
        items = tuple(self._stack.pop() for _ in range(count))
        self._stack.append(items[::-1])

    def extend(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise Refused("items for what is no list")
        self._stack[-1].extend(items)

    def append(self, _: object) -> None:
        self.extend([self._stack.pop()])

    def appends(self, _: object) -> None:
        self.extend(self._since_mark())

    def enter(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], dict):
            raise Refused("entries for what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int | None):
                raise Refused(f"{_what(key)} as a key")
            self._stack[-1][key] = value

    def set_item(self, _: object) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self.enter([key, value])

    def set_items(self, _: object) -> None:
        self.enter(self._since_mark())

    def refer(self, _: object) -> None:
        """To a storage; torch's older format also wraps a module's class, together with its source text."""
        said = self._stack.pop()
        if not isinstance(said, tuple) or len(said) < 4:
            raise Refused("a reference to something outside")
        if said[0] == "module" and isinstance(said[1], Name):
            self._stack.append(said[1])
            return
        kind, typed, key, _device, numel, *view = said
        known = isinstance(typed, Name) and typed.name in _STORAGES and isinstance(key, str) and _are_counts((numel,))
        if kind != "storage" or not known or view not in ([], [None]):
            raise Refused("a reference to something outside")
        storage = Storage(key, _STORAGES[typed.name], numel)
        if self._storages.setdefault(key, storage) != storage:
            raise Refused("a storage described twice")
        self._stack.append(storage)

    def _since_mark(self) -> list[Any]:
        items = self._stack
        self._stack = self._below.pop()
        return items


_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"}
_STEPS: Mapping[str, Callable[[Machine, Any], None]] = {
    "GLOBAL": Machine.name,
    "STACK_GLOBAL": Machine.stacked_name,
    "BINPUT": Machine.put,
    "LONG_BINPUT": Machine.put,
    "MEMOIZE": Machine.put,
    "BINGET": Machine.get,
    "LONG_BINGET": Machine.get,
    "REDUCE": Machine.call,
    "NEWOBJ": Machine.new,
    "BUILD": Machine.build,
    "MARK": Machine.mark,
    "TUPLE": Machine.marked_tuple,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": Machine.append,
    "APPENDS": Machine.appends,
    "SETITEM": Machine.set_item,
    "SETITEMS": Machine.set_items,
    "BINPERSID": Machine.refer,
}


def _what(thing: object) -> str:
    return thing.name if isinstance(thing, Name | Record) else f"a {type(thing).__name__}"


# ---- the functions that a file may ask for


def _are_counts(values: object) -> bool:
    return isinstance(values, tuple) and len(values) <= 8 and all(type(v) is int and 0 <= v < 2**40 for v in values)


def _ordered(items: object = ()) -> dict[Any, Any]:
    if items not in ((), []):
        raise Refused("an OrderedDict that is filled at once")
    return {}


def _left_out(*_items: object) -> None:
    """What modules hold beside tensors, and nothing here asks for: sets of names, sizes, torch 1.2's backend."""


def _view(storage: Any, offset: Any, size: Any, stride: Any, *_flags: object) -> View:
    described = isinstance(storage, Storage) and _are_counts((offset,)) and _are_counts(size) and _are_counts(stride)
    if not described or len(size) != len(stride):
        raise Refused("a tensor that is not described as one")
    count = math.prod(size)
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    if count > storage.numel or (count and last >= storage.numel):
        raise Refused("a tensor larger than its storage")
    return View(storage, offset, size, stride)


def _parameter(view: object, *_flags: object) -> View:
    if not isinstance(view, View):
        raise Refused("a parameter that is no tensor")
    return view


_CALLS: Mapping[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered,
    "builtins.set": _left_out,
    "__builtin__.set": _left_out,
    "torch.Size": _left_out,
    "torch.nn.backends.thnn._get_thnn_function_backend": _left_out,
    "torch._utils._rebuild_tensor_v2": _view,
    "torch._utils._rebuild_parameter": _parameter,
}

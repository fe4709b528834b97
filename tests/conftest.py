"""What all tests share: tests marked `cuda` are skipped, visibly, where there is no device or no CUDA build."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes: threads of each would only get in the others' way
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from cinegan_cli.ops import backend_info

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        reason = "no CUDA device"
    elif not backend_info().cuda:
        reason = str(backend_info().reason)
    else:
        return
    for item in items:
        if item.get_closest_marker("cuda"):  # a folder of that name is a keyword too
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def no_models_installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests neither see nor fill the models folder of whoever runs them."""
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path_factory.getbasetemp() / "home of nobody"))


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    """A test with this argument runs on each kind of device."""
    return str(request.param)


@pytest.fixture
def on_each_device(device: str) -> Iterator[None]:
    """A test that uses this runs on each kind of device, where all tensors are that it makes without saying where."""
    with torch.device(device) if device != "cpu" else nullcontext():
        yield


@pytest.fixture
def generator() -> torch.Generator:
    """A CPU generator: every device sees the same numbers."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    """A function that sets torch's thread count; it is put back after the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)

"""Which device and which way of talking the processes of a torchrun take, in a made-up machine with four GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from cinegan_cli.errors import UsageError
from cinegan_cli.training.loop import Workers, set_up
from cinegan_cli.training.settings import LoopSettings


def settings(device: Any) -> LoopSettings:
    return LoopSettings(work=Path("work"), device=device)


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The third of four processes; what it chooses is noted, not done."""
    noted: list[str] = []
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: noted.append(str(device)))
    monkeypatch.setattr(dist, "init_process_group", noted.append)
    monkeypatch.setattr(dist, "get_rank", lambda: 2)
    monkeypatch.setattr(dist, "get_world_size", lambda: 4)
    return noted


@pytest.mark.parametrize(("device", "gpus"), [("cpu", True), ("cpu", False), ("auto", False)])
def test_processes_on_cpus_talk_over_gloo(
    chosen: list[str], monkeypatch: pytest.MonkeyPatch, device: str, gpus: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus)
    assert set_up(settings(device)) == torch.device("cpu")
    assert Workers.join(settings(device)) == Workers(2, 4)
    assert chosen == ["gloo"]


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_processes_on_gpus_talk_over_nccl_each_from_its_own(chosen: list[str], device: str) -> None:
    assert set_up(settings(device)) == torch.device("cuda", 2)
    assert Workers.join(settings(device)) == Workers(2, 4)
    assert chosen == ["cuda:2", "nccl"]


def test_one_process_joins_nobody(chosen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE")
    assert Workers.join(settings("cuda")) == Workers(0, 1)
    assert chosen == []


def test_cuda_that_is_not_there(chosen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="--device cuda: not available here"):
        set_up(settings("cuda"))
    assert chosen == []

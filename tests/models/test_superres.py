"""Super-resolution networks from files: the release's naming, our own, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cinegan_cli.errors import InputError
from cinegan_cli.models import read_superres, write_superres
from cinegan_cli.nn.ade20k import SegmenterConfig
from cinegan_cli.nn.rrdb import SuperResolver, SuperResolverConfig

SMALL = SuperResolverConfig(8, 2, 4, SegmenterConfig(4, (1, 2, 1, 2), 8, 128))


@pytest.fixture
def network() -> SuperResolver:
    torch.manual_seed(0)
    return SuperResolver(SMALL).eval()


@torch.no_grad()
def test_a_released_file_gives_its_network(network: SuperResolver, tmp_path: Path) -> None:
    torch.save({f"module.{key}": value for key, value in network.state_dict().items()}, tmp_path / "G.pth")
    found = read_superres(tmp_path / "G.pth")
    assert found.config == SMALL
    frame, reference = torch.rand(1, 3, 12, 12), torch.rand(1, 3, 48, 48)
    assert torch.equal(found(frame, reference), network(frame, reference))


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, segmenter=None, spare=False)])
def test_what_is_written_is_read(config: SuperResolverConfig, tmp_path: Path) -> None:
    network = SuperResolver(config)
    write_superres(tmp_path / "sr.safetensors", network)
    found = read_superres(tmp_path / "sr.safetensors")
    assert found.config == config
    assert all(torch.equal(value, found.state_dict()[key]) for key, value in network.state_dict().items())


def test_other_files_are_refused(network: SuperResolver, tmp_path: Path) -> None:
    file = tmp_path / "G.pth"
    torch.save({"features.0.weight": torch.zeros(2)}, file)
    with pytest.raises(InputError, match="superres"):
        read_superres(file)
    torch.save({**network.state_dict(), "conv_ref.weight": torch.zeros(8, 3, 5, 5)}, file)
    with pytest.raises(InputError, match="conv_ref"):
        read_superres(file)
    torch.save({**network.state_dict(), "conv_ref.weight": torch.full((8, 3, 3, 3), torch.nan)}, file)
    with pytest.raises(InputError, match="finite"):
        read_superres(file)

"""Which network compares pictures: VGG-19 from a file, else the encoder that ships, and what it is called."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from cinegan_cli.errors import InputError
from cinegan_cli.models import LITE_NAME, NONE, VGG_NAME, find_perceptual, import_files, model_path
from cinegan_cli.nn.vgg import Vgg


@pytest.mark.parametrize("given", [(), NONE])
def test_without_vgg_the_shipped_encoder_stands_in(given: tuple[Path, ...]) -> None:
    network, name = find_perceptual(given)
    assert name == LITE_NAME
    picture = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    soft = F.interpolate(F.avg_pool2d(picture, 2), scale_factor=2.0, mode="bilinear").requires_grad_()
    network(soft, picture).sum().backward()
    assert soft.grad is not None
    assert all(not p.requires_grad for p in network.parameters())


def test_vgg_of_a_file_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    made = Vgg((2, 2, 2, 2, 2))
    file = tmp_path / "vgg19.pth"
    torch.save({**made.state_dict(), "classifier.0.weight": torch.zeros(2, 2)}, file)
    a, b = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path / "home"))
    import_files([file], "mine", licence="", moves={})
    for given in ((file,), (model_path("mine"),), ()):
        network, name = find_perceptual(given)
        assert name == VGG_NAME
        torch.testing.assert_close(network(a, b), made(a, b))
    assert find_perceptual(NONE)[1] == LITE_NAME


def test_other_files_are_refused(tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(64, 3, 11, 11)}, tmp_path / "alexnet.pth")
    with pytest.raises(InputError, match="perceptual"):
        find_perceptual((tmp_path / "alexnet.pth",))

"""dilate: max_pool2d's values."""

import pytest
import torch
import torch.nn.functional as F

from cinegan_cli.ops import dilate


@pytest.mark.parametrize(("size", "reach"), [((2, 17, 23), 2), ((1, 5, 40), 9), ((3, 1, 1), 4), ((1, 6, 6), 0)])
def test_is_the_pool(size: tuple[int, int, int], reach: int, device: str, generator: torch.Generator) -> None:
    values = torch.rand(size, generator=generator).to(device)
    before = values.clone()
    framed = F.pad(values, (reach,) * 4, value=-1.0)
    assert torch.equal(dilate(values, reach), F.max_pool2d(framed, 2 * reach + 1, stride=1))
    assert torch.equal(values, before)

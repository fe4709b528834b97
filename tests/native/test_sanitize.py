"""The CPU operators under sanitizers (minutes: everything is compiled twice)."""

from __future__ import annotations

import pytest

from tests.native.sanitize import SANITIZERS, find_compiler, main


@pytest.mark.slow
@pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler")
@pytest.mark.parametrize("kind", SANITIZERS)
def test_clean(kind: str) -> None:
    assert main([kind]) == 0

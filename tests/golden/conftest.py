"""`python -m pytest tests/golden --regenerate` writes the expected frames anew."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write the expected frames instead of comparing")


@pytest.fixture
def regenerate(request: pytest.FixtureRequest) -> bool:
    """Whether to write the expected frames: known only when pytest was pointed at this folder."""
    return bool(request.config.getoption("--regenerate", default=False))

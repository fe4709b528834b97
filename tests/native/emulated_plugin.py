"""A plugin of pytest: the extension at CINEGAN_EMULATED takes the place of `cinegan_cli._C`."""

from __future__ import annotations

import importlib.util
import os
import sys


def install() -> str:
    """Puts it in place, before the package is imported, and returns its path."""
    path = os.environ["CINEGAN_EMULATED"]
    spec = importlib.util.spec_from_file_location("cinegan_cli._C", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["cinegan_cli._C"] = module
    spec.loader.exec_module(module)
    return path


install()

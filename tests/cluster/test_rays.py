"""How a cluster is begun with, on a stand-in for Ray."""

from __future__ import annotations

import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from cinegan_cli.cluster import connected
from cinegan_cli.errors import UsageError


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Any:
    """One machine of one core; `init` does nothing."""
    fake, private = ModuleType("ray"), ModuleType("ray._private")
    vars(private).update(worker=SimpleNamespace())
    vars(fake).update(
        init=lambda **_: None,
        shutdown=lambda: None,
        nodes=lambda: [{"Alive": True, "Resources": {"CPU": 1}}],
        remote=lambda **_: lambda function: SimpleNamespace(remote=function),
        get=lambda value: value,
    )
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setitem(sys.modules, "ray._private", private)
    return fake


def test_a_slow_start_is_tried_again_and_stays_quiet(
    ray: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "the user's")
    tries = []

    def slow(**_: Any) -> None:
        tries.append(os.environ["RAY_AUTH_TOKEN"])
        os.write(2, b"gcs_client.cc: Failed to get cluster ID from GCS server")
        if len(tries) < 3:
            raise RuntimeError("The current node timed out during startup.")

    ray.init = slow
    with connected("local"):
        print("ours", file=sys.stderr)
    assert len(tries) == 3
    assert len(set(tries)) == 1
    assert os.environ["RAY_AUTH_TOKEN"] == "the user's" != tries[0]
    assert capfd.readouterr().err == "ours\n"
    tries.clear()
    ray.init = lambda **_: tries.append("") or 1 / 0
    with pytest.raises(UsageError, match="division by zero"), connected("local"):
        pass
    assert len(tries) == 1


@pytest.mark.parametrize("mode", [None, "disabled"])
def test_a_token_is_shown_to_a_head(
    mode: str | None, ray: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[str | None] = []
    ray.init = lambda **_: seen.append(os.environ.get("RAY_AUTH_MODE"))
    monkeypatch.setattr("cinegan_cli.cluster.rays._require_answer", lambda address: None)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    if mode is not None:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with connected("ray://head:10001"):
        pass
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("secret")
    with connected("ray://head:10001"):
        pass
    assert seen == [mode, mode or "token"]
    assert os.environ.get("RAY_AUTH_MODE") == mode

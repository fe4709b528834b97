"""A server in this process, whose seer is quick and sees sky over a lake; skipped, visibly, without `cinegan[edit]`."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cinegan_cli.types import KINDS, Sight
from tests.small_scene import HEIGHT, WIDTH, write_scene

TOKEN = "a-token-of-the-tests"
ADDRESS = "http://127.0.0.1:8017"
API = f"/{TOKEN}/api"

try:
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401
except ModuleNotFoundError as error:
    missing: str | None = error.name
else:
    missing = None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if missing and here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f'no {missing}: pip install "cinegan[edit]"'))


def sky_over_a_lake(*_: Any, **__: Any) -> Sight:
    """A sight of 16 x 12 cells."""
    kinds = torch.full((len(KINDS), 12, 16), 0.01)
    kinds[KINDS.index("sky"), :6] = 0.91
    kinds[KINDS.index("lake"), 6:] = 0.91
    heading = torch.zeros(2, 12, 16)
    heading[0] = 0.9
    axis = torch.zeros(2, 12, 16)
    axis[0] = 0.9
    return Sight(kinds / kinds.sum(0), heading, axis, torch.full((12, 16), 0.05))


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A folder with photo.png, mask.png and motion.npy."""
    folder = tmp_path / "scene"
    folder.mkdir()
    write_scene(folder)
    return folder


@pytest.fixture
def projects(tmp_path: Path) -> Path:
    """Where the server keeps its projects."""
    return tmp_path / "projects"


@pytest.fixture
def quick_seer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks the network."""
    monkeypatch.setattr("cinegan_cli.editor.picture.sight_of", sky_over_a_lake)


@pytest.fixture
def client(projects: Path, quick_seer: None) -> Iterator[Any]:
    """A browser on the page of a server without a photo."""
    with warnings.catch_warnings():  # it would rather have httpx2, and takes the httpx that is here
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient
    from cinegan_cli.config import RunConfig
    from cinegan_cli.editor.app import Server, make_app

    app = make_app(Server(projects, RunConfig()), TOKEN, "127.0.0.1")
    with TestClient(app, base_url=ADDRESS, headers={"origin": ADDRESS}, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def opened(client: Any, scene: Path) -> Any:
    """The same with the small photo open, its mask painted and an arrow drawn."""
    assert client.post(f"{API}/photo?name=lake.png", content=(scene / "photo.png").read_bytes()).status_code == 200
    assert client.put(f"{API}/mask", content=(scene / "mask.png").read_bytes()).status_code == 200
    quick = {"settings": {"seconds": 0.3, "fps": 10}, "arrows": [[10, 10, 50, 12]]}
    assert client.put(f"{API}/edits", json=quick).status_code == 200
    return client


def finished(client: Any, job: str, seconds: float = 120) -> dict[str, Any]:
    """The job, once it is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer: dict[str, Any] = client.get(f"{API}/jobs/{job}").json()
        if answer["state"] not in ("queued", "running"):
            return answer
        time.sleep(0.05)
    raise AssertionError(f"still {answer}")


SIZE = (WIDTH, HEIGHT)

"""Photos and loops at s3://, on a server of moto in this process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cinegan_cli.errors import ExitStatus
from tests.small_scene import MOTION, QUICK, invoke

pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server", reason="moto[server] is not installed")

OPTIONS = f"--mask mask.png {MOTION} {QUICK}"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def storage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The file system of s3://, with photos/ in s3://bucket/photos."""
    import fsspec

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    local = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    local.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*local.get_host_and_port()))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fsspec.filesystem("s3").clear_instance_cache()
    system = fsspec.filesystem("s3", use_listings_cache=False)
    system.makedirs("bucket", exist_ok=True)  # all servers of a process share what they hold
    system.put("photos/", "bucket/photos/", recursive=True)
    yield system
    system.clear_instance_cache()
    local.stop()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_loops_at_s3_are_those_of_a_folder(storage: Any, folder: Path, capfd: Capture) -> None:
    local = invoke(f"animate photos {OPTIONS} --out loops", capfd)
    outcome = invoke(f"animate s3://bucket/photos {OPTIONS} --out s3://bucket/loops", capfd)
    assert outcome.status == local.status == ExitStatus.PARTIAL
    assert [line.replace("s3://bucket/", "") for line in outcome.complaints] == local.complaints
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.glob("loops/**/*.*")}
    assert {name.removeprefix("bucket/"): storage.cat(name) for name in storage.find("bucket/loops")} == files
    outcome = invoke(f"animate s3://bucket/photos {OPTIONS} --out s3://bucket/loops", capfd)
    assert any("4 of 5 photos were done already" in note for note in outcome.notes)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("arguments", ["s3://gone/photos --out loops", "photos --out s3://gone/loops"])
def test_a_missing_bucket_is_one_line(arguments: str, storage: Any, capfd: Capture) -> None:
    outcome = invoke(f"animate {arguments}", capfd)
    assert (outcome.status, len(outcome.complaints)) == (ExitStatus.INPUT, 1)
    assert outcome.complaints[0].startswith("cinegan: s3://gone/")
    assert "bucket does not exist" in outcome.complaints[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_missing_credentials_are_one_line(storage: Any, monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "nowhere")
    storage.clear_instance_cache()
    outcome = invoke("animate s3://bucket/photos --out loops", capfd)
    assert (outcome.status, len(outcome.complaints)) == (ExitStatus.INPUT, 1)
    assert "AWS_ACCESS_KEY_ID" in outcome.complaints[0]

"""`cinegan models`, and downloads over connections that break."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import torch

from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.models.download import download
from cinegan_cli.models.store import cache_folder, installed, model_path, open_models
from cinegan_cli.types import silent
from tests.released_files import generator_file, mask_file, motion_file
from tests.small_models import write_models
from tests.small_scene import invoke

DATA = bytes(range(256)) * 4096  # 1 MB
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("CINEGAN_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@dataclass
class Server:
    """Serves `data` at every path; drops the first `cuts` connections after `keep` bytes."""

    data: bytes = DATA
    cuts: int = 0
    keep: int = 300_000
    ranges: bool = True
    status: int = 200
    tag: str = '"v1"'
    shift: int = 0  # bytes by which the next part begins too late
    busy: int = 0  # answers of 503 before the first good one
    asked: list[str] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            state.asked.append(wanted)
            if state.busy or state.status != 200:
                self.send_error(503 if state.busy else state.status)
                state.busy = max(0, state.busy - 1)
                return
            same = self.headers.get("If-Range", state.tag) == state.tag
            start = int(wanted[len("bytes=") :].rstrip("-")) if wanted and state.ranges and same else 0
            if start >= len(state.data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(state.data)}")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            self.send_header("ETag", state.tag)
            if start:
                start, state.shift = start + state.shift, 0
                self.send_header("Content-Range", f"bytes {start}-{len(state.data) - 1}/{len(state.data)}")
            self.send_header("Content-Length", str(len(state.data) - start))
            self.end_headers()
            cut = state.cuts > 0
            state.cuts -= cut
            self.wfile.write(state.data[start : start + state.keep] if cut else state.data[start:])

        def log_message(self, format: str, *arguments: object) -> None:
            """Keep the tests' output clean."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{httpd.server_port}/set.safetensors"
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield state
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def fetch(server: Server, path: Path, sha256: str | None = SHA256) -> None:
    download(server.address, path, sha256=sha256, progress=silent, pause=0.001)


def test_a_cut_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.cuts = 2
    fetch(server, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA
    assert server.asked == ["", "bytes=300000-", "bytes=600000-"]
    assert not (tmp_path / "f.part").exists()


def leave(server: Server, part: Path, data: bytes, tag: str = '"v1"') -> None:
    """What an earlier run has left."""
    part.write_bytes(data)
    part.with_name(part.name + ".from").write_text(f"{server.address}\n{tag}\n")


@pytest.mark.parametrize("tag", ['"v1"', ""])
def test_what_an_earlier_run_left_is_used(server: Server, tmp_path: Path, tag: str) -> None:
    leave(server, tmp_path / "f.part", DATA[:1000], tag)
    fetch(server, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA
    assert server.asked == ["bytes=1000-"]
    leave(server, tmp_path / "g.part", DATA, tag)
    fetch(server, tmp_path / "g")
    assert (tmp_path / "g").read_bytes() == DATA
    assert {path.name for path in tmp_path.iterdir()} == {"f", "g"}


def test_pieces_of_another_version_or_place_are_not_joined(server: Server, tmp_path: Path) -> None:
    leave(server, tmp_path / "f.part", b"old" * 1000, '"v0"')
    fetch(server, tmp_path / "f", None)
    (tmp_path / "g.part").write_bytes(b"of something else")
    fetch(server, tmp_path / "g", None)
    assert (tmp_path / "f").read_bytes() == (tmp_path / "g").read_bytes() == DATA
    assert server.asked == ["bytes=3000-", ""]


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.cuts, server.ranges = 1, False
    fetch(server, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.busy = 2
    fetch(server, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA


def test_a_dead_connection_keeps_what_came(server: Server, tmp_path: Path) -> None:
    server.cuts, server.keep = 100, 0
    leave(server, tmp_path / "f.part", DATA[:1000])
    with pytest.raises(InputError, match="1000 bytes are kept"):
        fetch(server, tmp_path / "f")
    assert (tmp_path / "f.part").read_bytes() == DATA[:1000]
    assert not (tmp_path / "f").exists()


def test_a_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has sha256 [0-9a-f]{64}, not 000"):
        fetch(server, tmp_path / "f", "0" * 64)
    assert not list(tmp_path.glob("f*"))


def test_what_the_server_does_not_have(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(InputError, match="404"):
        fetch(server, tmp_path / "f")
    with pytest.raises(UsageError, match="only http"):
        download("file:///etc/passwd", tmp_path / "f", sha256=None, progress=silent)


def answer_by(monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, httpx.Response]) -> list[str]:
    """The internet, made up; returns the addresses asked for, as they come."""
    asked: list[str] = []

    def handle(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return answers[str(request.url)]

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    return asked


def test_https_is_never_left_for_http(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secure, plain = "https://models.example/a", "http://models.example/a"
    to = {address: httpx.Response(302, headers={"Location": address}) for address in (secure, plain)}
    asked = answer_by(monkeypatch, {secure: to[plain], plain: httpx.Response(200, content=iter([DATA]))})
    with pytest.raises(InputError, match="from https to http"):
        download(secure, tmp_path / "f", sha256=SHA256, progress=silent, pause=0.001)
    assert (asked, list(tmp_path.iterdir())) == ([secure], [])
    answer_by(monkeypatch, {plain: to[secure], secure: httpx.Response(200, content=iter([DATA]))})
    download(plain, tmp_path / "f", sha256=SHA256, progress=silent, pause=0.001)
    assert (tmp_path / "f").read_bytes() == DATA


@pytest.mark.parametrize("told", [True, False])
def test_a_file_without_end_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: bool) -> None:
    pieces = iter([DATA] * 5)
    headers = {"Content-Length": str(len(DATA) * 5)} if told else {}
    answer_by(monkeypatch, {"https://a.example/a": httpx.Response(200, headers=headers, content=pieces)})
    with pytest.raises(InputError, match="has more than"):
        download("https://a.example/a", tmp_path / "f", sha256=None, progress=silent, most=3 * len(DATA))
    assert not list(tmp_path.iterdir())
    assert len(list(pieces)) >= (4 if told else 1)  # the rest was not asked for


def test_another_part_than_asked_for_is_not_joined(server: Server, tmp_path: Path) -> None:
    leave(server, tmp_path / "f.part", DATA[:1000])
    server.shift = 7
    fetch(server, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA
    assert server.asked == ["bytes=1000-", ""]


@pytest.mark.parametrize("address", ["http://a:port/", "http:///a", "https://"])
def test_no_address(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        download(address, tmp_path / "f", sha256=None, progress=silent, pause=0.001)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "value"), [("SSL_CERT_FILE", "nowhere.pem"), ("HTTPS_PROXY", "gopher://a")])
def test_an_environment_that_allows_no_connection(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="no connection can be made"):
        download("https://a.example/a", tmp_path / "f", sha256=None, progress=silent, pause=0.001)


def test_pull_installs_a_bundle(server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    server.data = write_models(tmp_path / "b.safetensors").read_bytes()
    server.cuts = 1
    outcome = invoke(f"models pull {server.address} --name mine", capfd)
    assert (outcome.status, installed()) == (0, ["mine"])
    assert invoke("models verify mine", capfd).status == 0


def test_pull_of_something_else_installs_nothing(server: Server, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outcome = invoke(f"models pull {server.address}", capfd)
    assert outcome.status == 3
    assert "not a bundle" in outcome.complaints[0]
    assert not list((home / "models").iterdir())


def test_offline_tells_what_to_put_where(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    known = invoke("models pull lhq-1024 --offline", capfd)
    assert known.status == 4
    assert "sg2-lhq-1024.pt" in known.complaints[0]
    address = invoke(f"models pull {server.address} --offline", capfd)
    assert address.status == 4
    assert str(model_path("set")) in address.complaints[0]
    assert server.asked == []


def test_import_verify_list_path_rm(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    generator_file(tmp_path / "g.pt")
    motion_file(tmp_path / "fluid" / "latest_net_G.pth")
    motion_file(tmp_path / "other.pth")
    masks = " ".join(str(mask_file(tmp_path / f"best_model_number_{k}.pth")) for k in range(2))
    first = invoke(f"models import g.pt fluid/latest_net_G.pth {masks} --name mine --licence CC0", capfd)
    assert (first.status, first.complaints) == (0, [])
    added = invoke("models import --name mine other.pth --sky other.pth --json", capfd)
    assert json.loads(added.stdout)["parts"] == ["generator", "mask", "motion.sky", "motion.water"]
    models = open_models("mine")
    assert models.config["licence"] == "CC0"
    assert len(models.config["source"]) == 5
    assert models.config["source"][0]["sha256"] == hashlib.sha256((tmp_path / "g.pt").read_bytes()).hexdigest()
    assert models.classifiers() is not None
    assert set(models.motion_networks(torch.device("cpu"))) == {"sky", "water"}
    assert torch.allclose(models.mean_w(), models.generator().mean_w(4096, seed=0))
    assert invoke("models verify", capfd).stdout.startswith("mine: generator")
    listed = json.loads(invoke("models list --json", capfd).stdout)
    assert list(listed["installed"]) == ["mine", "compact", "deeplandscape"]
    assert invoke("models path mine", capfd).stdout.strip() == str(model_path("mine"))
    assert invoke("models rm mine", capfd).status == 0
    assert installed() == []
    assert not list((cache_folder() / "models").iterdir())


def test_list_says_what_to_bring(capfd: pytest.CaptureFixture[str]) -> None:
    shown = invoke("models list", capfd).stdout
    assert "enc.pth.tar" in shown
    assert "cinegan models import" in shown


def test_verify_notices_a_change(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    generator_file(tmp_path / "g.pt")
    invoke("models import g.pt --name mine", capfd)
    path = model_path("mine")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    outcome = invoke("models verify mine", capfd)
    assert outcome.status == 3
    assert "has changed since it was imported" in outcome.complaints[0]


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "home"
    monkeypatch.setenv("CINEGAN_HOME", "~no such user/a")
    assert cache_folder() == Path("~no such user/a")
    monkeypatch.delenv("CINEGAN_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "cinegan"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep their caches elsewhere")
@pytest.mark.parametrize("value", [None, "", "not/absolute"])
def test_the_cache_folder_of_a_plain_linux(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str | None) -> None:
    monkeypatch.delenv("CINEGAN_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if value is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert cache_folder() == tmp_path / ".cache" / "cinegan"


def homeless(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A user without an entry and without HOME, as in many containers."""

    def no_entry(number: int) -> None:
        raise KeyError(number)

    pwd = pytest.importorskip("pwd", reason="there are no entries on Windows")
    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    monkeypatch.delenv("HOME", raising=False)


def cache_is_a_file(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "file"))


@pytest.mark.parametrize("gap", [homeless, cache_is_a_file])
def test_without_a_place_for_models_all_goes_on_that_needs_none(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    gap: Callable[[pytest.MonkeyPatch, Path], None],
) -> None:
    generator_file(tmp_path / "g.pt")
    monkeypatch.delenv("CINEGAN_HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    gap(monkeypatch, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert (installed(), open_models().name, open_models("compact").name) == ([], "compact", "compact")
    assert invoke("models list", capfd).status == 0
    assert json.loads(invoke("doctor --json", capfd).stdout)["models folder"]["state"] == "missing"
    for command in ("models import g.pt", "models pull http://127.0.0.1:9/a.safetensors"):
        outcome = invoke(command, capfd)
        assert outcome.status == 5
        assert len(outcome.complaints) == 1
        assert "CINEGAN_HOME" in outcome.complaints[0]
    assert sorted(tmp_path.rglob("*")) == before

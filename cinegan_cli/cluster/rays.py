"""Workers of a Ray cluster: one started here for the length of a run, or one that is there."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from cinegan_cli import __version__
from cinegan_cli.cluster.workers import LostError, described
from cinegan_cli.errors import CancelledError, InputError, UsageError

A = TypeVar("A")
R = TypeVar("R")

LONGEST_STOP = 20  # seconds that tasks get to clear up after themselves
STARTS = 3
PASSING = ("timed out during startup", "Starting Ray client server failed")
LONGEST_ANSWER = 10  # seconds
LANES_AGE = 5  # seconds after which the cluster is asked again how large it is
FEWEST_LANES = 4
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no statistics leave this machine
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # below `uv run` this package would be packed up for the workers
    "GRPC_VERBOSITY": "NONE",  # it writes to stderr past all settings of logging
}
ALONE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray's word for: nothing but this machine can connect
    # Else Ray writes one to ~/.ray: two first runs at once would write two, and later clusters would want it, too
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}


class RayPool:
    """Tasks as Ray's, each on so many cores, and a GPU where one is asked for."""

    def __init__(self, ray: Any, cores: int, gpu: bool) -> None:
        self._ray = ray
        self._cores = cores
        self._options = {"num_cpus": cores, "num_gpus": int(gpu), "max_retries": 0}
        self._functions: dict[Any, Any] = {}  # as Ray calls them; it sends each to the workers once
        self._flying: set[Any] = set()
        self._lock = threading.Lock()
        self._cancelled = False
        self._lanes, self._asked = FEWEST_LANES, -float(LANES_AGE)

    def lanes(self) -> int:
        """Twice as many as run at once: one waits for each that runs, and an autoscaler sees that more are wanted."""
        if time.monotonic() - self._asked >= LANES_AGE:
            with suppress(self._ray.exceptions.RayError, ConnectionError):
                cores = self._ray.cluster_resources().get("CPU", 0)
                self._lanes = max(FEWEST_LANES, 2 * int(cores / self._cores))
            self._asked = time.monotonic()
        return self._lanes

    def run(self, function: Callable[[A], R], task: A) -> R:
        errors = self._ray.exceptions
        lost = (
            *(errors.WorkerCrashedError, errors.NodeDiedError, errors.LocalRayletDiedError),
            *(errors.OutOfMemoryError, errors.ObjectLostError, errors.RaySystemError),
        )
        with self._lock:
            if self._cancelled:
                raise CancelledError("cancelled")
            if function not in self._functions:
                self._functions[function] = self._ray.remote(**self._options)(function)
            reference = self._functions[function].remote(task)
            self._flying.add(reference)
        try:
            result: R = self._ray.get(reference)
            return result
        except errors.TaskCancelledError as error:
            raise CancelledError("cancelled") from error
        except lost as error:
            raise LostError(described(error)) from error
        except ConnectionError as error:
            raise CancelledError(f"the cluster is gone ({described(error)}); run again for the rest") from error
        finally:
            with self._lock:
                self._flying.discard(reference)

    def cancel(self) -> None:
        """Tasks are interrupted, and clear up; those that have not ended after `LONGEST_STOP` are killed."""
        with self._lock:
            self._cancelled = True
            flying = list(self._flying)
        for force in (False, True):
            for reference in flying:
                with suppress(Exception):  # it has ended, or its worker has
                    self._ray.cancel(reference, force=force)
            with suppress(Exception):
                _, flying = self._ray.wait(flying, num_returns=len(flying), timeout=LONGEST_STOP)


@contextmanager
def ray_pool(address: str, *, cores: int, gpu: bool) -> Iterator[RayPool]:
    """See `connected`."""
    with _environment(_settings(address)):
        try:
            import ray
        except ImportError as error:
            raise UsageError(f'--cluster {address}: needs Ray: pip install "cinegan[ray]"') from error
        _connect(ray, address)
        try:
            _require(ray, address, cores, gpu)
            yield RayPool(ray, cores, gpu)
        finally:
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "CRITICAL", "configure_logging": True}
    if address == "local":
        options["include_dashboard"] = False
    else:
        _require_answer(address)
    ours = signal.getsignal(signal.SIGTERM)
    try:
        _begin(ray, address, options)
    except Exception as error:  # of many kinds: ConnectionError, RuntimeError, ValueError, those of gRPC
        advice = {
            "local": "is there memory and disk for it?",
            "auto": "start one with `ray start --head`, or use --cluster local",
        }.get(
            address,
            "is it running, with the same versions of Ray and Python, and the same token (`ray get-auth-token`)?",
        )
        raise UsageError(f"--cluster {address}: cannot be reached: {described(error)}; {advice}") from error
    finally:
        signal.signal(signal.SIGTERM, ours)  # Ray takes it for itself
    _quieten()


def _begin(ray: Any, address: str, options: dict[str, Any]) -> None:
    """`ray.init`; again where a busy machine was too slow for what Ray waits, or the head's process for us has died."""
    for attempt in range(1, STARTS + 1):
        try:
            with _silence():
                ray.init(address=address, **options)
            return
        except Exception as error:  # noqa: PERF203
            ray.shutdown()
            if attempt == STARTS or not any(said in str(error) for said in PASSING):
                raise


def _settings(address: str) -> dict[str, str]:
    """Variables for Ray, which reads them when it is imported."""
    if address == "local":
        return QUIET | ALONE
    tokens = [os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")]
    has_token = any(tokens) or os.path.exists(os.path.expanduser("~/.ray/auth_token"))
    if _meant(address).startswith("ray://") and has_token:
        return QUIET | {"RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "token")}  # a head does so by itself
    return QUIET


def _meant(address: str) -> str:
    """The address that "auto" stands for, where it is named."""
    return os.environ.get("RAY_ADDRESS", "") if address == "auto" else address


def _require_answer(address: str) -> None:
    """Raise UsageError where nothing listens at all; Ray itself would go on asking for minutes."""
    host, _, port = _meant(address).removeprefix("ray://").rpartition(":")
    if not port.isdigit():  # a cluster of this machine, which Ray finds, or Ray's own default port
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=LONGEST_ANSWER).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise UsageError(f"--cluster {address}: cannot be reached at {host}:{port}: {error}; is it running?") from error


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing on stderr meanwhile: until connected, Ray's native code tells there that the head is not up yet."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _quieten() -> None:
    """Keep Ray from printing pages to our stdout when a machine dies: there is no setting for that."""
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *_, **__: None


def _require(ray: Any, address: str, cores: int, gpu: bool) -> None:
    """Raise UsageError for a cluster that could never run a task."""
    largest = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=0)
    if largest < cores:
        raise UsageError(f"--cluster {address}: no machine of it has {cores} cores; give fewer --threads")
    if gpu and ray.cluster_resources().get("GPU", 0) < 1:
        raise UsageError(f"--cluster {address}: no machine of it has a GPU; leave out --device cuda")
    try:
        there = ray.get(ray.remote(num_cpus=cores, max_retries=3)(version_here).remote())
    except Exception as error:
        raise InputError(
            f"--cluster {address}: workers cannot run cinegan: {described(error)}; install it there too"
        ) from error
    if there != __version__:
        raise UsageError(
            f"--cluster {address}: workers have cinegan {there}, this is {__version__}; install one of them"
        )


def version_here() -> str:
    """The version of cinegan where it is called."""
    return __version__


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Variables of the process while inside, and of processes started there."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

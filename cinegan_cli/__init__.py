"""Turn one landscape photo into a seamless, full-resolution looping video.

from cinegan_cli import animate

summary = animate("photo.png", out="loop.mp4", speed=1.5)

for picture in frames("photo.png", speed=1.5):  # the same loop, frame by frame, for a program of your own
    show(picture)

The photo, `mask`, `freeze` and `motion` may also be NumPy arrays or pictures of Pillow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np
    from numpy.typing import NDArray

    from cinegan_cli.config import Config
    from cinegan_cli.pipeline import Summary
    from cinegan_cli.session import Session
    from cinegan_cli.types import PhotoSource, Progress

__version__ = "0.1.0"
__all__ = ["Config", "__version__", "animate", "frames"]


def __getattr__(name: str) -> Any:
    """`Config`, imported when it is asked for, so that `cinegan --help` need not wait for it."""
    if name != "Config":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cinegan_cli.config import Config

    return Config


def animate(
    photo: str | PhotoSource,
    config: Config | None = None,
    *,
    session: Session | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Summary:
    """Render the loop of one photo, as `cinegan animate` does, and say what was done.

    Either `config`, or `options` named as on the command line (`out`, `seconds`, `mask`, ...; see `Config`), not both.
    With a `cinegan_cli.session.Session` many photos open each model once; it then decides on device, precision and
    threads. `progress(what, done, total)` is called as the work goes on; total is 0 where it is not known. Raises the
    errors of `cinegan_cli.errors`. Nothing is printed.
    """
    from cinegan_cli.pipeline import animate as run

    config, session = _run_of(config, session, options)
    if progress is None:
        return run(photo, config, session)
    with session.telling(progress):
        return run(photo, config, session)


def frames(
    photo: str | PhotoSource,
    config: Config | None = None,
    *,
    session: Session | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Generator[NDArray[np.uint8], None, None]:
    """Yield the frames t = 0 … N-1 of one photo's loop, uint8 [H, W, 3] in RGB: those of `animate` to PNG files.

    Takes what `animate` does. Nothing is written: `config.video` is not read, and `out` is refused. Each frame is
    rendered when it is asked for and belongs to the caller, so memory does not grow with N; closing the generator (or
    leaving it to be collected) ends the work. Settings that are wrong raise `UsageError` at the call; a photo that
    cannot be read, and all else that `animate` raises, at the first `next`. With `strict`, frames that are no clean
    loop raise `CheckError` after the last one.
    """
    from cinegan_cli.errors import UsageError
    from cinegan_cli.pipeline import frames as run
    from cinegan_cli.values import checked_source

    if options.get("out") is not None:
        raise UsageError("--out: frames() writes nothing; leave it out, or use animate()")
    config, session = _run_of(config, session, options)
    made = run(checked_source("the photo", photo), config, session)
    return made if progress is None else _telling(made, session, progress)


def _run_of(config: Config | None, session: Session | None, options: dict[str, Any]) -> tuple[Config, Session]:
    from cinegan_cli.config import Config
    from cinegan_cli.session import Session as open_session

    if config is not None and options:
        raise TypeError("config must be alone, got also " + ", ".join(options))
    config = config or Config.from_options(**options)
    return config, session or open_session(config.run)


def _telling(
    made: Generator[NDArray[np.uint8], None, None], session: Session, progress: Progress
) -> Generator[NDArray[np.uint8], None, None]:
    """The same frames; progress is reported while one is made, not while the caller holds it."""
    try:
        while True:
            with session.telling(progress):
                frame = next(made, None)
            if frame is None:
                return
            yield frame
    finally:
        made.close()

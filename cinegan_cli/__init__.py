"""Turn one landscape photo into a seamless, full-resolution looping video.

from cinegan_cli import animate

summary = animate("photo.png", out="loop.mp4", speed=1.5)

The photo, `mask`, `freeze` and `motion` may also be NumPy arrays or pictures of Pillow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cinegan_cli.config import Config

if TYPE_CHECKING:
    from cinegan_cli.pipeline import Summary
    from cinegan_cli.session import Session
    from cinegan_cli.types import PhotoSource, Progress

__version__ = "0.1.0"
__all__ = ["Config", "__version__", "animate"]


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
    from cinegan_cli.session import Session as open_session

    if config is not None and options:
        raise TypeError("config must be alone, got also " + ", ".join(options))
    config = config or Config.from_options(**options)
    session = session or open_session(config.run)
    if progress is None:
        return run(photo, config, session)
    with session.telling(progress):
        return run(photo, config, session)

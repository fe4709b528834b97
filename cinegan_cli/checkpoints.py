"""Where `load_released` was in version 0.1; new code imports it from `cinegan_cli.models`."""

from cinegan_cli.models import load_released

__all__ = ["load_released"]

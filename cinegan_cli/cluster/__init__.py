"""Many photos on many machines: tasks on workers that may die (Ray), and files behind URLs (fsspec)."""

from cinegan_cli.cluster.mirror import Mirror, is_url
from cinegan_cli.cluster.workers import ATTEMPTS, Here, Lanes, LostError, Pool, connected

__all__ = ["ATTEMPTS", "Here", "Lanes", "LostError", "Mirror", "Pool", "connected", "is_url"]

"""`cinegan models pull`: a set of models is fetched, checked and installed."""

from __future__ import annotations

from pathlib import Path

from cinegan_cli.errors import ModelMissingError, UsageError
from cinegan_cli.models.registry import REGISTRY
from cinegan_cli.models.store import Models, model_path, open_bundle, put_in_place, require_sha256, verify_bundle
from cinegan_cli.types import Progress


def pull_set(source: str, name: str | None, *, sha256: str | None, offline: bool, progress: Progress) -> Models:
    """Fetch a set of models, a known one or that of an address, and install it as `name`, by default the file's.

    Raises UsageError for what is neither, ModelMissingError saying what to bring where nothing may or can be fetched,
    InputError when it is no sound set (nothing is installed then), and what `download` does.
    """
    known = REGISTRY.get(source)
    if known is None and "://" not in source:
        raise UsageError(f"{source}: no known set ({', '.join(REGISTRY)}) and no address such as https://...")
    name = name or (source if known else Path(source.rpartition("/")[2]).stem)
    target = model_path(name)
    url = known.url if known else source
    if known and (url is None or offline):
        files = ", ".join(known.files)
        raise ModelMissingError(
            f"{source}: bring {files} from {known.publisher}; then `cinegan models import FILE... --name {source}`"
        )
    if url is None or offline:
        raise ModelMissingError(f"{source}: --offline: fetch it on another machine and put it at {target}")
    wanted = sha256 or (known.sha256 if known else None)
    if wanted is not None:
        require_sha256(wanted)
    from cinegan_cli.models.download import download  # httpx takes a tenth of a second to import

    fetched = target.with_name(target.name + ".pulled")
    download(url, fetched, sha256=wanted, progress=progress)
    verify_bundle(fetched)
    put_in_place(fetched, target)
    return open_bundle(target)

"""Where large payloads are kept, by the URL of the settings."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit
from weakref import WeakValueDictionary

from stead.transport._contract.errors import InvalidInput
from stead.transport._contract.settings import Settings

from .blobs import Blobs
from .folder import FolderBlobs
from .in_memory import MemoryBlobs
from .s3 import s3_blobs

_in_memory: WeakValueDictionary[str, MemoryBlobs] = WeakValueDictionary()  # each for as long as a store uses it


def blobs_of(settings: Settings) -> Blobs | None:
    """The place that the settings name, if they name one. Raises `InvalidInput` for one that there cannot be, and `S3Missing` for a
    bucket without the extra `stead[s3]`."""
    url = settings.large_payloads
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme == "memory" and parts.netloc:
        place = _in_memory.get(parts.netloc)
        if place is None:
            place = _in_memory[parts.netloc] = MemoryBlobs()
        return place
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return FolderBlobs(Path(unquote(parts.path)))
    if parts.scheme == "s3" and not parts.query and not parts.fragment:
        return s3_blobs(parts.netloc, unquote(parts.path))
    raise InvalidInput(
        f"large_payloads {url!r}", "write file:///a/folder/that/all/processes/share, or s3://BUCKET/FOLDER"
    )

"""The store's URL as it may be shown: without a password."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

DEFAULT_URL = "embedded://./.stead"


def public_url(url: str | None) -> str:
    """The URL in use, fit for a screen or a log."""
    parts = urlsplit(url or os.environ.get("STEAD_URL") or DEFAULT_URL)
    user, at, host = parts.netloc.rpartition("@")
    netloc = f"{user.split(':')[0]}:***@{host}" if at and ":" in user else parts.netloc
    return f"{parts.scheme}://{netloc}{parts.path}"

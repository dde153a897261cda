"""`python -m stead.app` is `stead`."""

from __future__ import annotations

from stead.app._cli.main import main

main()

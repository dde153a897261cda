"""What guards a test against hanging, in one place: a starved machine may be twenty times slower, and nothing is judged by it."""

from __future__ import annotations

HANGS_S = 150.0

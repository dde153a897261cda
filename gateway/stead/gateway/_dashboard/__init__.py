"""The dashboard: a page that shows a hub and acts on it through `/api/v1` alone.

In which order to read it: `page` serves what `dashboard/build.py` has built of the sources in the repository's `dashboard/` into
`site/`, and says how to get it where that is missing.
"""

"""Kinds of entities as tables: read `columns`, then `table` (a kind), `reading` (its rows, in a thread), `sql` (with `narrowing`), `files`, `answers`.

Rows pass through in batches, so that memory does not grow with the number of entities. What has to be installed for it is
imported by `libraries` alone.
"""

"""What queries are made of, as values: conditions on indexed fields, where a value stands in an index, and what a query has
to read. Computes only.

Read `types` (which values can be indexed, and where each stands), then `conditions` (what users write) and `ranges` (which parts of
an index a condition may be in). `syntax` reads conditions as text. `plan` and `scan` are how a query is read. `catalogue` is what a hub's workers know of its indexes, and what a commit changes in them;
`feeds` what is kept of changes, `expiries` after which time entities that nobody uses end. `assignment` shares partitions out: among workers, and among readers of changes.
"""

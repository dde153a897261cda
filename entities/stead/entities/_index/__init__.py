"""What queries are made of, as values: conditions on indexed fields, where a value stands in an index, and what a query has
to read. Computes only.

Read `types` (which values can be indexed, and how), then `conditions` (what users write), then `ranges` (which parts of an
index a condition may be in).
"""

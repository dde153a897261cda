"""What becomes of users' data on its way into a hub's store and out of it: a codec of theirs encodes it.

In which order to read it: `codec` is where a codec comes from. `caskets` is what stands in the place of data that it has encoded, and
how parts of stored values are found without decoding them (by `pieces`, without copying what is large). `vault` is the codec as the rest uses it, and `limits` what counts as too
large. `large` is what of large data is kept elsewhere; `reading` is how it is read, piece by piece, by `gathering` into the objects that users' code is given, and by `frames` if a codec has encoded it. `blobs` is what such a place can do, and how writers and collectors agree there:
a `folder`, a `bucket` (of `s3`), or `in_memory`; `places` knows which the settings mean, and `collecting` removes what nothing names any more. `forms` is what has to be known of each kind of stored value, which the layers above know; `sealed_store` is a store that
uses all that.
"""

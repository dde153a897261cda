"""What a store promises, in values that cross every seam of this layer. Nothing here does I/O.

In which order to read it: `store` is the contract (what each step does, and what it may raise), `records` the values that
go in and come out of it (`commit` the largest; `indexes`, what is read by ranges, `feeds`, what is read on and on, and `groups`, how far that is done; `limits`, of activities over a hub; `shards`, the
numbers of them in the hub's record), `errors` what goes wrong and whose fault it is. Then what both stores share: `settings`, `layout`
(what a hub is called and how it was made), `codec` (how payloads become bytes) with `depth` (how deep they may be
nested), `rope` (packed data in which what is large is not copied) and `roping` (how such is packed and read), `clock` (time is the server's), `left_out` (what could not be read, said once). `home` keeps an object on the
event loop it belongs to, and `careful_logger` is a logger that no user's error can make fail.
"""

"""The HTTP API of Azure Durable Functions, for its clients and tools: same routes, same words, same oddities.

In which order to read it: `payloads` is what the routes share (bodies, the management URIs), `clients` what existing clients
send otherwise than what they mean. Then by noun: `starting` (which may wait, with `waiting`), `instances`, whose histories
`history` shows, and `entities`. `client_binding` is the JSON that such clients are made from; its address is below `/api/v1`.
"""

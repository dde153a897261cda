"""Serving HTTP, whatever is served: everything here is used by all surfaces, and knows none of them.

In which order to read it: `routes` is what a route is, `access` who may use it (keys, rights, tokens), `app` the application
that finds the one and asks the other (`traced`: and lets it be a part of a trace), `hub` what every handler is given, `shared` what all who ask share. What handlers share: `query` and `body` read requests,
within the limits of `settings`, `json_values` and `errors` make answers. `serving` and `connections` are the server around it.
"""

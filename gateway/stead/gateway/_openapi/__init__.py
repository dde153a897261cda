"""The OpenAPI document of whatever routes it is given, and a page to read it on.

In which order to read it: `document`, then `page` and its `page.html`.
"""

"""The pytest plugin that is installed with stead: `stead_hub`, `stead_server`, and who runs `async def` tests that use them.

In which order to read it: `plugin` is what pytest loads, and what it says to pytest; `loop` runs tests and their fixtures.
Neither imports anything of stead before a test asks for it: every project in whose environment stead is pays for that.
"""

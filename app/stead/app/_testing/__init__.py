"""What `stead.app.testing` offers: a hub in memory whose time is virtual.

In which order to read it: `hub` is what tests use, `driver` is what makes time pass, and ends and replaces the worker.
"""

"""What `stead.app.testing` offers: a hub in memory whose time is virtual.

In which order to read it: `hub` is what tests use, `fakes` is what they see and say of activities, `explaining` what a test that failed is told. `driver` is what makes time pass, and ends and replaces the worker.
"""

"""The tools of the tests, each a module: servers, gateways and workers to test with, benches that stand in for a part's
surroundings, programs that run in processes of their own, and tables of hostile things.
"""

"""Aggregates: fields that take many values in little room. `base` says what they all do, `marks` how a worker sees which have
changed (`flat`: at a glance, where there is nothing else; `shelf`: of lists and dicts of them); then `tally`, `window`, and the sketches: `sketch`, `quantiles`, `distinct`, `top_items`; and `shown`, what of them is
shown where no class says what they are.
"""

"""What workers count and time of what they do: small, mergeable, bounded. It only computes.

In which order to read it: a `meter` is how often, how long, and how it was spread; `measures` are a worker's meters by name;
`hottest` says which targets have most messages, `recent` what ran last; `noted` is what is not summed up yet; `blocks` is how all that looks in the store; `window` is what to publish when.
"""

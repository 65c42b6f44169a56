"""The measurements of the README, runnable by anyone: `python -m bench [name]`.

Peers run beside us, in the same run.
"""

"""Other engines doing the work of `runs`: a program each, run in an environment of its own.

They import nothing of the product, which is not installed there.
"""

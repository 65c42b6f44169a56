"""The node types: one file each, listed in catalogue.py."""

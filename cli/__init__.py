"""The console script `agentledger`: one file per command. It starts roles and prints; it decides
nothing.
"""

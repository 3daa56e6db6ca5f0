"""The linear rivals that stand beside every number."""

"""Counts to expression bins."""

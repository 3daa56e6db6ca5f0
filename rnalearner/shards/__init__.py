"""Counts on disk; bins are made at reading."""

"""Short probes from one base checkpoint (Phase II)."""

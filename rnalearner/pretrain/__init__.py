"""Masked-bin pretraining (Phase I)."""

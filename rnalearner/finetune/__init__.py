"""Few-shot fine-tuning (Phase III)."""

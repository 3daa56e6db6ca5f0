"""A Performer's blocks on a GPU in bf16: few passes over memory, little kept for the backward pass."""

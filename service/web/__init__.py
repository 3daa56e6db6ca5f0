"""What every request passes through, and what answers are made of."""

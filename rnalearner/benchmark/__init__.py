"""The few-shot yardstick: the same draws for every arm, families with one vote each."""

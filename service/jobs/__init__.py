"""The life of a job: its row, its place in the queue, what it says of itself, how it ends."""

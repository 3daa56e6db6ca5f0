"""The encoder (a Performer), its embeddings and heads."""

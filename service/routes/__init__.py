"""Thin routes: a signature that reads as a sentence, a check, one call, an answer."""

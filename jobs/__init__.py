"""When: the command line, one entry point a verb, and the recipes."""

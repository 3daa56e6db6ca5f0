"""What is computed: the science of RNALearner. Imports neither Ray nor a web server."""

__version__ = "0.2.0"

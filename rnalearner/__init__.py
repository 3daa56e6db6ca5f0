"""What is computed: the science of RNALearner. Imports neither Ray nor HTTP."""

__version__ = "0.1.0"

"""Commands that talk to a gateway: `rnalearner data`, `job`, `model`."""

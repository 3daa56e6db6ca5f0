"""Public archives to a local mirror: whole, checked files, or a sentence that says why not."""

"""Groups of samples."""

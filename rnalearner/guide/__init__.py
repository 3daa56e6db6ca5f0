"""What the scouts agree on, and how it steers an update."""

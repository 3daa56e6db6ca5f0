"""What was found: metrics, tables, figures, one HTML file."""

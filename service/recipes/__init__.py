"""What a job asks for, as a recipe: pure, but for the look-ups of what it names."""

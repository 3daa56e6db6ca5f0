"""Pages for people: they look. Whatever changes something is the API's, which they call as anyone does."""

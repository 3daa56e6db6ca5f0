"""Who asks: the HTTP gateway (built in a later issue)."""

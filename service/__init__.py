"""Who asks: the HTTP gateway. It imports neither Ray nor torch; what runs jobs is handed to it."""

"""Count tables from outside: taken in, checked in a child process, removed with all that derives."""

"""What travels over HTTP: Create is asked for, Public is answered."""

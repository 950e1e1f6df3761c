"""Speed and memory of mockhub, measured relative to a bare server: `make bench`."""

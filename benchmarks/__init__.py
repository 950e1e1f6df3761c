"""How fast and how small mockhub is, measured beside a bare server: `make bench`."""

"""The proxy between a client and the real service: forwards, checks, and guards the credits."""

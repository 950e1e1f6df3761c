"""`python -m mockhub`."""

from mockhub.cli import main

main(prog_name="mockhub")

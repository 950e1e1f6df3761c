"""Run the command line: `python -m mockhub`."""

from mockhub.cli.main import main

main(prog_name="mockhub")

"""Fuzz every target for some seconds, one after the other; exit code 1 if one failed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_CORPUS = Path("build/fuzz")


def fuzz_all(seconds: int, names: list[str]) -> int:
    """Run each target in its own process, since atheris exits the process that it runs in."""
    from tests.fuzz.targets import TARGETS, seeds

    failures = 0
    for name in names or TARGETS:
        corpus = _CORPUS / name
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds(name)):
            (corpus / f"seed-{number}").write_bytes(seed)
        sys.stdout.write(f"== {name}, {seconds} s\n")
        sys.stdout.flush()
        options = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10", "-verbosity=0"]
        options += [f"-artifact_prefix={_CORPUS}/", "-print_final_stats=1", str(corpus)]
        completed = subprocess.run([sys.executable, "-m", "tests.fuzz", "--one", name, *options])
        failures += completed.returncode != 0
    return 1 if failures else 0


def fuzz_one(name: str, options: list[str]) -> None:
    """Fuzz one target for the time in *options*."""
    import atheris

    with atheris.instrument_imports(include=["mockhub", "yaml"]):
        from tests.fuzz.targets import target
    parse = target(name)
    atheris.Setup(["fuzz", *options], parse)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        fuzz_one(sys.argv[2], sys.argv[3:])
    else:
        arguments = sys.argv[1:]
        seconds = int(arguments.pop(0)) if arguments and arguments[0].isdigit() else 120
        sys.exit(fuzz_all(seconds, arguments))

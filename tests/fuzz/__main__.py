"""Fuzz every target for some seconds, one after the other; exit code 1 if one broke."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_CORPUS = Path("build/fuzz")


def all_of_them(seconds: int, names: list[str]) -> int:
    """Each in a process of its own, since atheris ends the one that it runs in."""
    from tests.fuzz.targets import TARGETS, seeds

    broken = 0
    for name in names or TARGETS:
        corpus = _CORPUS / name
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds(name)):
            (corpus / f"seed-{number}").write_bytes(seed)
        sys.stdout.write(f"== {name}, {seconds} s\n")
        sys.stdout.flush()
        options = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10", "-verbosity=0"]
        options += [f"-artifact_prefix={_CORPUS}/", "-print_final_stats=1", str(corpus)]
        done = subprocess.run([sys.executable, "-m", "tests.fuzz", "--one", name, *options])
        broken += done.returncode != 0
    return 1 if broken else 0


def one(name: str, options: list[str]) -> None:
    """Fuzz one target until its time is over."""
    import atheris

    with atheris.instrument_imports(include=["mockhub", "yaml"]):
        from tests.fuzz.targets import target
    read = target(name)
    atheris.Setup(["fuzz", *options], read)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3:])
    else:
        words = sys.argv[1:]
        wanted = int(words.pop(0)) if words and words[0].isdigit() else 120
        sys.exit(all_of_them(wanted, words))

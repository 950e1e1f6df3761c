"""The exception tree of mockhub."""

from __future__ import annotations

import builtins
import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import mockhub
from mockhub import exceptions


def exception_classes() -> Iterator[type[BaseException]]:
    for info in pkgutil.walk_packages(mockhub.__path__, "mockhub."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for _, value in inspect.getmembers(module, inspect.isclass):
            if issubclass(value, BaseException) and value.__module__ == module.__name__:
                yield value


def test_docstring_draws_every_exception_under_its_parent() -> None:
    """The tree at the head of the module is complete and true."""
    drawn = {}
    parents: list[tuple[int, str]] = []
    for line in str(exceptions.__doc__).splitlines():
        head, branch, text = line.partition("-- ")
        if not branch:
            continue
        name = text.split()[0]
        while parents and parents[-1][0] >= len(head):
            parents.pop()
        if name not in vars(builtins):
            drawn[name] = parents[-1][1] if parents else "Exception"
        parents.append((len(head), name))
    assert {
        exception.__name__: exception.__bases__[0].__name__ for exception in exception_classes()
    } == drawn


def test_package_exports_the_root() -> None:
    assert mockhub.MockhubError is exceptions.MockhubError

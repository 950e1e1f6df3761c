"""A PostgreSQL cluster for the tests of the storage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import postgres


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    if reason := postgres.why_not():
        pytest.skip(reason)
    cluster = postgres.Cluster()
    yield cluster
    cluster.close()


@pytest.fixture
def postgresql_url(cluster: postgres.Cluster) -> str:
    """Return the URL of an empty database."""
    return cluster.create_database()

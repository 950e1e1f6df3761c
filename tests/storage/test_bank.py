"""No credit is lost while servers are killed; `make bank` does it for a minute."""

from __future__ import annotations

from pathlib import Path

from tests.storage.bank import run_bank
from tests.support.postgres import Cluster


def test_killed_servers_lose_no_credit_on_sqlite(tmp_path: Path) -> None:
    bank = run_bank(f"sqlite:///{tmp_path}/bank.db", seconds=2, servers=2, clients=4, interval=0.6)
    assert bank.acknowledged
    assert bank.kills


def test_killed_servers_lose_no_credit_on_postgresql(cluster: Cluster) -> None:
    def restart() -> None:
        cluster.stop(immediately=True)
        cluster.start()

    url = cluster.create_database()
    bank = run_bank(url, seconds=2, servers=2, clients=4, interval=0.6, restart=restart)
    assert bank.acknowledged
    assert bank.kills

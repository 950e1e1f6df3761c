"""The tables of the database, their version, and its migrations."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    inspect,
    select,
)

from mockhub.exceptions import MockhubError

TABLES = MetaData()


def _hub_column() -> Column[int]:
    return Column("hub", ForeignKey("hubs.id", ondelete="CASCADE"), primary_key=True)


# The single row that all servers share. `registry_version` grows when a hub or a key is added, or
# a hub is deleted or reset.
meta = Table(
    "meta",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("schema_version", Integer, nullable=False),
    Column("registry_version", BigInteger, nullable=False),
    Column("last_hub", BigInteger, nullable=False),
    Column("deleted_totals", Text, nullable=False),  # JSON: the credits of deleted hubs by kind
)
# A hub gets a new id when it is reset or replaced. `version` grows with every change; the rows of
# the other tables have the version in which they changed last.
hubs = Table(
    "hubs",
    TABLES,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("position", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # JSON: `HubDocument`
)
snapshots = Table(
    "snapshots",
    TABLES,
    _hub_column(),
    Column("body", Text, nullable=False),  # JSON: `SnapshotDocument`
)
accounts = Table(
    "accounts",
    TABLES,
    _hub_column(),
    Column("id", Text, primary_key=True),
    Column("ordinal", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("account_type", Text, nullable=False),
    Column("balance", BigInteger, nullable=False),
    Column("evicted_total", BigInteger, nullable=False),
    Column("evicted_count", BigInteger, nullable=False),
    Column("lots", Text, nullable=False),  # JSON
    Column("totals", Text, nullable=False),  # JSON: the credits of all entries by kind
)
entries = Table(
    "entries",
    TABLES,
    _hub_column(),
    Column("account", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("credits", BigInteger, nullable=False),
    Column("lot", BigInteger, nullable=False),
    Column("generation", Text),
)
keys = Table(
    "keys",
    TABLES,
    _hub_column(),
    Column("digest", LargeBinary, primary_key=True),  # SHA-256; the key itself is not stored
    Column("ordinal", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("account", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked", Boolean, nullable=False),
)
generations = Table(
    "generations",
    TABLES,
    _hub_column(),
    Column("id", Text, primary_key=True),
    Column("ordinal", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("account", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("ended_position", BigInteger),  # its place among those that have ended
    Column("body", Text, nullable=False),  # JSON: `Generation`
    Index("generations_version", "hub", "version"),
)
# The journal is written apart from the rest, so it has a lock and a total of its own.
journals = Table(
    "journals",
    TABLES,
    _hub_column(),
    Column("total", BigInteger, nullable=False),
    Column("cleared", BigInteger, nullable=False),  # how often it was cleared
    Column("coverage", Text, nullable=False),  # JSON: how often each coverage key occurred
)
exchanges = Table(
    "exchanges",
    TABLES,
    _hub_column(),
    Column("number", BigInteger, primary_key=True),
    Column("body", Text, nullable=False),  # JSON: `Exchange`
)

HUB_TABLES = (exchanges, journals, generations, keys, entries, accounts, snapshots)


def _create_tables(connection: Connection) -> None:
    TABLES.create_all(connection)
    connection.execute(
        meta.insert().values(
            id=1, schema_version=1, registry_version=0, last_hub=0, deleted_totals="{}"
        )
    )


# Each migration brings the database from the version before to its own.
MIGRATIONS: Mapping[int, Callable[[Connection], None]] = {1: _create_tables}
SCHEMA_VERSION = max(MIGRATIONS)


def migrate(connection: Connection) -> None:
    """Create or migrate the tables, in a transaction that no other server has at the same time.

    Raises:
        MockhubError: if the database was written by a newer mockhub, or is not mockhub's.
    """
    names = set(inspect(connection).get_table_names())
    if "meta" in names:
        present = connection.execute(select(meta.c.schema_version)).scalar_one()
    elif taken := sorted(names & TABLES.tables.keys()):
        raise MockhubError(
            f"the database has a table {taken[0]!r} that is not mockhub's; expected an empty one"
        )
    else:
        present = 0
    if present > SCHEMA_VERSION:
        raise MockhubError(
            f"the database has schema version {present}, and this mockhub knows at most "
            f"{SCHEMA_VERSION}; expected a newer mockhub"
        )
    for version in range(present + 1, SCHEMA_VERSION + 1):
        MIGRATIONS[version](connection)
        connection.execute(meta.update().values(schema_version=version))

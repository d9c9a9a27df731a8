"""Tables of the campaigns. A campaign is a number (its slice); a name points at the number now in use."""

from sqlalchemy import JSON, Boolean, Column, Float, Integer, String, Table, UniqueConstraint

from segur.store.engine import metadata

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=True, unique=True),  # NULL: dropped, or the body of a snapshot
    Column("created_at", String(32), nullable=False),
    Column("profiles", JSON, nullable=False),
    Column("declared", JSON, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("strict", Boolean, nullable=False),
    Column("clock_offset", Float, nullable=False, default=0.0),  # seconds added to the wall clock
    Column("clock_frozen", String(32), nullable=True),  # ISO moment, when the clock stands still
    sqlite_autoincrement=True,
)

credentials = Table(
    "campaign_credentials",
    metadata,
    Column("campaign_id", Integer, primary_key=True),
    Column("kind", String(32), primary_key=True),  # certificate, client_id, mailbox_domain, login, api_key
    Column("value", String(255), primary_key=True),
    UniqueConstraint("kind", "value", name="one_campaign_per_credential"),
)

faults = Table(
    "faults",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("campaign_id", Integer, nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("service", String(32), nullable=False),
    Column("operation", String(80), nullable=False),
    Column("identity", String(80), nullable=False),
    Column("params", JSON, nullable=False),
    Column("remaining", Integer, nullable=True),
    Column("probability", Float, nullable=True),
    Column("seed", Integer, nullable=False),
    Column("considered", Integer, nullable=False, default=0),
    info={"campaign": "campaign_id"},
)

overrides = Table(
    "identity_overrides",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("campaign_id", Integer, nullable=False, index=True),
    Column("identity", String(80), nullable=False),
    Column("traits", JSON, nullable=False),
    Column("answer", String(40), nullable=False),
    Column("verify", String(4), nullable=False),
    Column("remaining", Integer, nullable=True),
    info={"campaign": "campaign_id"},
)

snapshots = Table(
    "campaign_snapshots",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("label", String(64), primary_key=True),
    Column("slice_id", Integer, nullable=False),
    Column("created_at", String(32), nullable=False),
)

# One row: the number grows with each change above, so that a process knows when its cached view is old.
versions = Table("campaign_version", metadata, Column("id", Integer, primary_key=True), Column("n", Integer, nullable=False))

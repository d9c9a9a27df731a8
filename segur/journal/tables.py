"""Tables of the journal: bodies once by SHA-256, exchanges in a chain per campaign slice, words to find them by."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from segur.store.engine import metadata

bodies = Table(
    "bodies",
    metadata,
    # Kept per slice: dropping a campaign drops its bodies, and no campaign can be shown another's.
    Column("slice_id", Integer, primary_key=True),
    Column("sha", LargeBinary(32), primary_key=True),
    Column("coding", Integer, nullable=False),  # 0 as is, 1 zlib
    Column("length", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
    info={"journal": "slice_id"},
)

exchanges = Table(
    "exchanges",
    metadata,
    Column("n", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("slice_id", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("id", String(32), nullable=False),
    Column("service", String(32), nullable=False),
    Column("listener", String(32), nullable=False),
    Column("protocol", String(16), nullable=False),
    Column("operation", String(80), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("worst", Integer, nullable=False),  # 0 no finding, 1 information, 2 avertissement, 3 erreur
    Column("actor", Text, nullable=False),
    Column("peer", String(64), nullable=False),
    Column("started_at", String(32), nullable=False),
    Column("ended_at", String(32), nullable=False),
    Column("campaign_time", String(32), nullable=False),
    Column("status", Integer, nullable=True),
    Column("request_sha", LargeBinary(32), nullable=False),
    Column("request_length", Integer, nullable=False),
    Column("response_sha", LargeBinary(32), nullable=False),
    Column("response_length", Integer, nullable=False),
    Column("summary", Text, nullable=False),
    Column("findings", Text, nullable=False),
    Column("terms", Text, nullable=False),
    Column("prev_hash", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Index("exchanges_by_slice", "slice_id", "seq", unique=True),
    Index("exchanges_by_operation", "slice_id", "service", "operation", "seq"),
    Index("exchanges_by_id", "id", unique=True),
    sqlite_autoincrement=True,
    info={"journal": "slice_id"},
)

# SQLite only: contentless full-text index; rowid = exchanges.n. Words of one slice carry a mark of its own.
SEARCH_SQLITE = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS exchange_words USING fts5("
    "words, content='', detail=none, columnsize=0, tokenize=\"unicode61 remove_diacritics 2 tokenchars '_'\")"
)

"""The partition of the embeddings table that holds one encoder's vectors: made with the encoder, dropped with it.

Beside a partition of long vectors stands a narrow table of their sign bits, which a filtered search scans
(docs/decisions/0004). A trigger on the partition keeps it, row by row, in the transaction of the vector: those that see
whole statements do not fire on a partition that is written through its parent.

Tables of the same form can be made beside an empty partition, filled, and put in its place (docs/decisions/0009).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction
from psycopg import sql
from psycopg.errors import DeadlockDetected, LockNotAvailable

from embeddings.models import Encoder

# A row must fit its 8 kB page to be stored plain; two bytes a dimension. Longer vectors stay in TOAST, uncompressed.
PLAIN_MAX_DIMENSIONS = 2048
BITS_MIN_DIMENSIONS = 1792  # the signs of fewer numbers order neighbours too coarsely
# Searches and writes queue behind us while we wait for those before us. Above a second, after which PostgreSQL looks
# for deadlocks and autovacuum gives way.
PATIENCE = "2s"

KEEP_BITS = """
CREATE FUNCTION {keeper}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO {bits} (item_id, bits) VALUES (NEW.item_id, binary_quantize(NEW.embedding));
    ELSIF TG_OP = 'UPDATE' THEN
        UPDATE {bits} SET item_id = NEW.item_id, bits = binary_quantize(NEW.embedding) WHERE item_id = OLD.item_id;
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM {bits} WHERE item_id = OLD.item_id;
    ELSE
        TRUNCATE {bits};
    END IF;
    RETURN NULL;
END
$$
"""

IS_BARE = """
SELECT NOT EXISTS (SELECT FROM {table})
   AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = to_regclass(%s) AND NOT indisprimary)
"""


class _InUse(Exception):  # noqa: N818 - not a fault
    """The partition got rows or an index meanwhile."""


def partition_name(encoder: Encoder, suffix: str = "") -> str:
    return f"embeddings_embedding_{encoder.pk}{suffix}"


def bits_name(encoder: Encoder, suffix: str = "") -> str:
    return f"embedding_{encoder.pk}_bits{suffix}"


def keeps_bits(encoder: Encoder) -> bool:
    """Whether the sign bits of its vectors are kept: they are long, and each number weighs alike (no concatenation)."""
    return encoder.dimensions >= BITS_MIN_DIMENSIONS and encoder.backend != "concat"


def create_partition(encoder: Encoder) -> None:
    """Make the encoder's partition, with its own check of the vectors' size. Fails if it exists."""
    if keeps_bits(encoder):
        _execute(KEEP_BITS, encoder)
    _create_tables(encoder, like="embeddings_embedding")
    _attach(encoder)


def drop_partition(encoder: Encoder) -> None:
    """Drop all of the encoder's vectors at once."""
    _execute("DROP TABLE IF EXISTS {table}, {bits}", encoder)
    _execute("DROP FUNCTION IF EXISTS {keeper}()", encoder)


# ---- tables beside a partition


def is_bare(encoder: Encoder) -> bool:
    """Whether the partition has no rows and no index but its key."""
    with connection.cursor() as cursor:
        cursor.execute(_filled(IS_BARE, encoder), [partition_name(encoder)])
        return bool(cursor.fetchone()[0])


def create_beside(encoder: Encoder) -> str:
    """Make tables as the partition's; returns what their names end in. Must run in a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text")  # no other transaction's
        suffix = f"_{cursor.fetchone()[0]}"
    # Like the partition, not like its parent, which must not be held for the length of a load.
    _create_tables(encoder, suffix, like=partition_name(encoder))
    return suffix


def put_in_place(encoder: Encoder, suffix: str) -> None:
    """Let the filled tables beside the partition become it. Raises IntegrityError for a vector of no item.

    From here to the end of the transaction, writers of items and encoders wait, and all who use the table of embeddings
    as a whole. Where those before us keep one of them for longer than our patience, or the partition got rows or an
    index meanwhile, our rows are inserted into it instead, which nobody waits for.
    """
    try:
        with transaction.atomic():
            _swap(encoder, suffix)
    except _InUse:
        _insert_instead(encoder, suffix)
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable | DeadlockDetected):
            raise
        _insert_instead(encoder, suffix)


def _swap(encoder: Encoder, suffix: str) -> None:
    """Locks are taken as a deletion of items takes them: items, embeddings, the partition."""
    with _settings(lock_timeout=PATIENCE):
        _execute("LOCK TABLE itembank_item, embeddings_encoder IN SHARE ROW EXCLUSIVE MODE", encoder)
        _execute("LOCK TABLE ONLY embeddings_embedding IN ACCESS EXCLUSIVE MODE", encoder)
        _execute("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE", encoder)
        if not is_bare(encoder):
            raise _InUse
        _execute("DROP TABLE IF EXISTS {table}, {bits}", encoder)
        _rename(encoder, suffix)
        # Without statistics yet, the planner would read all vectors to compare their keys.
        with _settings(enable_seqscan="off", enable_bitmapscan="off"):
            _attach(encoder)


@contextmanager
def _settings(**changed: str) -> Iterator[None]:
    """PostgreSQL's settings for the length of the block; after an error the transaction's end puts them back."""
    with connection.cursor() as cursor:
        before = []
        for name, value in changed.items():
            cursor.execute("SELECT current_setting(%s)", [name])
            before.append((name, cursor.fetchone()[0]))
            cursor.execute("SELECT set_config(%s, %s, true)", [name, value])
        yield
        for name, value in before:
            cursor.execute("SELECT set_config(%s, %s, true)", [name, value])


def _rename(encoder: Encoder, suffix: str) -> None:
    """Tables and keys get the names that they have in a partition that was made as one."""
    table, bits = partition_name(encoder), bits_name(encoder)
    for statement, name, ending in (
        ("ALTER TABLE {old} RENAME TO {new}", table, ""),
        ("ALTER INDEX {old} RENAME TO {new}", table, "_pkey"),
        ("ALTER TABLE IF EXISTS {old} RENAME TO {new}", bits, ""),
        ("ALTER INDEX IF EXISTS {old} RENAME TO {new}", bits, "_pkey"),
    ):
        old, new = sql.Identifier(f"{name}{suffix}{ending}"), sql.Identifier(f"{name}{ending}")
        _execute(statement, encoder, old=old, new=new)


def _insert_instead(encoder: Encoder, suffix: str) -> None:
    columns = "encoder_id, item_id, created_at, content_hash, embedding"
    beside = sql.Identifier(partition_name(encoder, suffix))
    with connection.cursor() as cursor:
        statement = sql.SQL(f"INSERT INTO {{}} ({columns}) SELECT {columns} FROM {{}}")  # noqa: S608 - our own names
        cursor.execute(statement.format(sql.Identifier(partition_name(encoder)), beside).as_string())
    _execute("DROP TABLE IF EXISTS {table}, {bits}", encoder, suffix)


# ---- steps


def _create_tables(encoder: Encoder, suffix: str = "", *, like: str) -> None:
    """Without references and triggers, which cost less once the rows are there; for a key they would be read again."""
    _execute(
        "CREATE TABLE {table} (LIKE {like} INCLUDING DEFAULTS, PRIMARY KEY (item_id, encoder_id), "
        "CONSTRAINT {check} CHECK (vector_dims(embedding) = {dimensions}), CONSTRAINT {own} CHECK (encoder_id = {pk}))",
        encoder,
        suffix,
        like=sql.Identifier(like),
        check=sql.Identifier(f"embedding_{encoder.pk}_dimensions"),
    )
    storage = "PLAIN" if encoder.dimensions <= PLAIN_MAX_DIMENSIONS else "EXTERNAL"
    # A hash beside a plain vector would be put into TOAST, each with an entry in its index, to make the row shorter.
    _execute(
        "ALTER TABLE {table} ALTER COLUMN embedding SET STORAGE {storage}, ALTER COLUMN content_hash SET STORAGE PLAIN",
        encoder,
        suffix,
        storage=sql.SQL(storage),
    )
    if keeps_bits(encoder):
        _execute(
            "CREATE TABLE {bits} (item_id bigint PRIMARY KEY, bits bit({dimensions}) STORAGE PLAIN NOT NULL)",
            encoder,
            suffix,
        )


def _attach(encoder: Encoder) -> None:
    """Its check of the encoder tells PostgreSQL that no row need be looked at; then it has done its work.

    The references are made by this too. To take over such as were there, it would lock items and encoders against all
    who read them.
    """
    _execute("ALTER TABLE embeddings_embedding ATTACH PARTITION {table} FOR VALUES IN ({pk})", encoder)
    _execute("ALTER TABLE {table} DROP CONSTRAINT {own}", encoder)
    if keeps_bits(encoder):
        _execute(
            "CREATE TRIGGER keep_bits AFTER INSERT OR UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION {keeper}()",
            encoder,
        )
        _execute("CREATE TRIGGER empty_bits AFTER TRUNCATE ON {table} EXECUTE FUNCTION {keeper}()", encoder)


def _execute(statement: str, encoder: Encoder, suffix: str = "", **names: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_filled(statement, encoder, suffix, **names))


def _filled(statement: str, encoder: Encoder, suffix: str = "", **names: sql.Composable) -> str:
    own: dict[str, sql.Composable] = {
        "table": sql.Identifier(partition_name(encoder, suffix)),
        "bits": sql.Identifier(bits_name(encoder, suffix)),
        "keeper": sql.Identifier(f"embedding_{encoder.pk}_keep_bits"),
        "own": sql.Identifier(f"embedding_{encoder.pk}_own"),
        "pk": sql.Literal(encoder.pk),
        "dimensions": sql.Literal(encoder.dimensions),
    }
    return sql.SQL(statement).format(**(own | names)).as_string(connection.connection)

"""Many new vectors at once, by binary COPY.

Into a partition that holds vectors they are written as any others: row by row PostgreSQL looks up item and encoder and
keeps the sign bits. A first load fills tables beside the empty partition, where nothing is done row by row, and these
become the partition (docs/decisions/0009).
"""

import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

import numpy as np
from django.db import connection, transaction
from numpy.typing import ArrayLike, NDArray
from psycopg import sql

from embeddings.models import Encoder
from embeddings.partitions import bits_name, create_beside, is_bare, keeps_bits, partition_name, put_in_place
from itembank.models import HASH_LENGTH

Row = tuple[int, str, ArrayLike]

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
COPY_TRAILER = struct.pack(">h", -1)
# All bits of a half's exponent: infinity or NaN. Looking for the largest is seven times as fast as comparing each.
ENDLESS = np.uint16(0x7C00)
BLOCK_ROWS = 64  # sent at once: each write is a wait
PIECE_BLOCKS = 128  # in one COPY, whose sign bits are held until its end: 2.4 MB at 2,048 dimensions
# What the kernel keeps for the server while we encode, or wait for our turn on a busy machine: 250 rows of 2,048
# dimensions, if it allows so much. By default it is 43, and the server runs dry.
SENT_AHEAD = 1024 * 1024
BULK_ROWS = 1000  # fewer are sooner written than tables are made


def load_vectors(encoder: Encoder, rows: Iterable[Row]) -> int:
    """Store many new vectors by binary COPY; returns how many. All of them land or none.

    Rows are (item id, content hash, unit vector of the encoder's dimensions). Raises ValueError for a vector of another
    size or beyond half precision, IntegrityError where the item is unknown or has a vector already. Nobody waits for a
    load but, at the end of a first one, for what `put_in_place` says.
    """
    remaining = iter(rows)
    first = list(islice(remaining, BULK_ROWS))
    few, rows = len(first) < BULK_ROWS, chain(iter(first), remaining)
    del first  # nothing is held once it is written
    with transaction.atomic(), connection.wrap_database_errors:
        if few or not is_bare(encoder):
            return _copy(encoder, rows)
        beside = create_beside(encoder)
        count = _copy(encoder, rows, beside)
        put_in_place(encoder, beside)
    return count


def _copy(encoder: Encoder, rows: Iterator[Row], suffix: str = "") -> int:
    """Into tables beside the partition sign bits are copied too: the partition's trigger makes its own.

    FREEZE: what was made in this transaction nobody else can see before its end, so that no later vacuum has to visit
    the rows again.
    """
    _send_ahead()
    writer, count = RowWriter(encoder), 0
    own_bits, options = suffix and keeps_bits(encoder), ", FREEZE" if suffix else ""
    blocks = iter(lambda: list(islice(rows, BLOCK_ROWS)), [])
    while piece := list(islice(blocks, 1)):
        signs = []
        with _copy_in(partition_name(encoder, suffix), writer.COLUMNS, options) as send:
            for block in chain(piece, islice(blocks, PIECE_BLOCKS - 1)):
                send(writer.encode(block))
                signs.append(writer.signs(len(block)) if own_bits else b"")
                count += len(block)
        if own_bits:
            with _copy_in(bits_name(encoder, suffix), ("item_id", "bits"), options) as send:
                send(b"".join(signs))
    return count


@contextmanager
def _copy_in(table: str, columns: Sequence[str], options: str) -> Iterator[Callable[[bytes | memoryview], None]]:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary" + options + ")").format(sql.Identifier(table), names)
    with connection.cursor() as cursor, cursor.copy(statement.as_string(cursor.connection)) as copy:
        copy.write(COPY_HEADER)
        yield copy.write
        copy.write(COPY_TRAILER)


def _send_ahead() -> None:
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as ours:
        if ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < SENT_AHEAD:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT_AHEAD)


class RowWriter:
    """Blocks of rows in PostgreSQL's binary COPY format, each written over the one before.

    A row is its number of fields, then each field after its length in bytes; a halfvec is its dimensions, a 0 of two
    bytes and its numbers, a bit string its length in bits and its bytes.
    """

    COLUMNS = ("encoder_id", "item_id", "content_hash", "embedding")

    def __init__(self, encoder: Encoder) -> None:
        self.size = size = encoder.dimensions
        self.halves, self.scratch = np.empty((BLOCK_ROWS, size), np.float16), np.empty((BLOCK_ROWS, size), np.uint16)
        self.rows, self.bits = np.zeros(BLOCK_ROWS, _vector_row(size)), np.zeros(BLOCK_ROWS, _bits_row(size))
        rows, bits = self.rows, self.bits
        rows["fields"], rows["encoder_bytes"], rows["item_bytes"], rows["hash_bytes"] = 4, 8, 8, HASH_LENGTH
        rows["vector_bytes"], rows["dimensions"], rows["encoder"] = 4 + 2 * size, size, encoder.pk
        bits["fields"], bits["item_bytes"], bits["bits_bytes"], bits["length"] = 2, 8, 4 + (size + 7) // 8, size

    def encode(self, rows: Sequence[Row]) -> memoryview:
        """As long as the next is not encoded. Raises ValueError."""
        items, hashes = self.rows["item"], self.rows["hash"]
        halves, scratch = self.halves[: len(rows)], self.scratch[: len(rows)]
        for place, (item_id, content_hash, vector) in enumerate(rows):
            items[place] = item_id
            hashes[place] = _hash_bytes(content_hash, item_id)
            halves[place] = _shaped(np.asarray(vector), self.size, item_id)
        numbers, target = halves.view(np.uint16), self.rows["vector"][: len(rows)]
        np.bitwise_and(numbers, ENDLESS, out=scratch)
        if scratch.max() == ENDLESS:
            wrong = int(scratch.max(axis=1).argmax())
            raise _bad_vector(self.size, rows[wrong][0], (self.size,))
        np.right_shift(numbers, 8, out=scratch)
        np.left_shift(numbers, 8, out=target)  # the other byte order, four times as fast as byteswap
        target |= scratch
        return self.rows[: len(rows)].view(np.uint8).data

    def signs(self, count: int) -> bytes:
        """Rows of the bits' table for the vectors encoded last: 1 above 0, as `binary_quantize` has it."""
        bits = self.bits[:count]
        bits["item"] = self.rows["item"][:count]
        bits["bits"] = np.packbits(self.halves[:count].view(np.int16) > 0, axis=1)  # NaN is none of them
        return bits.tobytes()


def _vector_row(size: int) -> np.dtype[np.void]:
    counts = [("fields", ">i2"), ("encoder_bytes", ">i4"), ("encoder", ">i8"), ("item_bytes", ">i4"), ("item", ">i8")]
    text = [("hash_bytes", ">i4"), ("hash", f"S{HASH_LENGTH}")]
    vector = [("vector_bytes", ">i4"), ("dimensions", ">u2"), ("unused", ">u2"), ("vector", np.uint16, (size,))]
    return np.dtype([*counts, *text, *vector])


def _bits_row(size: int) -> np.dtype[np.void]:
    counts = [("fields", ">i2"), ("item_bytes", ">i4"), ("item", ">i8")]
    return np.dtype([*counts, ("bits_bytes", ">i4"), ("length", ">i4"), ("bits", np.uint8, ((size + 7) // 8,))])


def _hash_bytes(content_hash: str, item_id: int) -> bytes:
    if len(content_hash) != HASH_LENGTH:
        raise ValueError(f"a content hash has {HASH_LENGTH} digits; that of item {item_id} is {content_hash!r}")
    return content_hash.encode("ascii")


def _shaped(vector: NDArray[Any], size: int, item_id: int) -> NDArray[Any]:
    if vector.shape != (size,):
        raise _bad_vector(size, item_id, vector.shape)
    return vector


def _bad_vector(size: int, item_id: int, shape: tuple[int, ...]) -> ValueError:
    return ValueError(
        f"a vector must be {size} finite numbers within 65,504; that of item {item_id} has the shape {shape}"
    )

"""Arrays in .npz files as streams: however large the file, a few rows of it are in memory.

What is read comes from anywhere: nothing is unpickled, and no size is believed that the archive does not bear out.
"""

import io
import math
import os
import tokenize
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from django.utils.translation import gettext as _
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

CHUNK_BYTES = 2 * 1024 * 1024
HEADER_BYTES = 16 * 1024  # numpy's own headers have 128
MEMBERS = 100
ENCRYPTED = 0x1  # flag of a member
HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
READ_ERRORS = (BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, ValueError, zlib.error)
# A header is a Python literal, so that of a hostile file fails in any way that parsing can.
HEADER_ERRORS = (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, OverflowError, tokenize.TokenError)


class BadArchive(Exception):  # noqa: N818 - a verdict on a file, not a fault
    """The file is not what it should be; the message says so to the user."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the array's header says; `start` is the byte of the member at which the numbers begin."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape[1:])

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"


class Archive:
    """An .npz file that is read. Every method raises BadArchive."""

    def __init__(self, file: IO[bytes]) -> None:
        with _reading():
            self._zip = ZipFile(file)
        infos = self._zip.infolist()
        self._members = {info.filename: info for info in infos}
        if len(self._members) != len(infos) or len(infos) > MEMBERS:
            raise BadArchive(unreadable(_("it holds names twice, or too many")))

    def __contains__(self, name: str) -> bool:
        return f"{name}.npy" in self._members

    def header(self, name: str) -> Header:
        """The header, where the member's size is the one that it calls for."""
        info = self._member(name)
        with _reading(), self._zip.open(info) as member:
            header = _parsed(member.read(HEADER_BYTES))
        if header is None:
            raise BadArchive(_("“%(name)s” is no array in C order.") % {"name": name})
        if header.dtype.hasobject:
            raise BadArchive(_("“%(name)s” holds pickled objects, which are never loaded.") % {"name": name})
        size = header.start + header.dtype.itemsize * math.prod(header.shape)
        if min(header.shape, default=0) < 0 or not header.dtype.itemsize or info.file_size != size:
            raise BadArchive(wrong(name, f"{size} bytes", f"{info.file_size} bytes"))
        return header

    def text(self, name: str, *, longest: int) -> str:
        """The string of a 0-d array."""
        header = self.header(name)
        if header.shape or header.dtype.kind != "U" or header.dtype.itemsize > 4 * longest:
            raise BadArchive(wrong(name, f"<U{longest} ()", str(header)))
        with self._data(name, header) as member:
            return str(_read(member, header.dtype, 1)[0])

    def rows(self, *names: str) -> Iterator[tuple[NDArray[Any], ...]]:
        """Arrays of one length in step: the same rows of each at a time. At the end their checksums are right."""
        headers = [self.header(name) for name in names]
        count = headers[0].shape[0]
        step = max(1, CHUNK_BYTES // max(header.row_bytes for header in headers))
        with ExitStack() as opened:
            pairs = list(zip(names, headers, strict=True))
            members = [opened.enter_context(self._data(name, header)) for name, header in pairs]
            for first in range(0, count, step):
                shapes = [(min(step, count - first), *header.shape[1:]) for header in headers]
                yield tuple(
                    _read(member, header.dtype, math.prod(shape)).reshape(shape)
                    for member, header, shape in zip(members, headers, shapes, strict=True)
                )

    def _member(self, name: str) -> ZipInfo:
        if name not in self:
            raise BadArchive(_("There is no array “%(name)s” in the file.") % {"name": name})
        info = self._members[f"{name}.npy"]
        if info.flag_bits & ENCRYPTED or info.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
            raise BadArchive(unreadable(_("it is encrypted or packed in a way that numpy does not use")))
        return info

    @contextmanager
    def _data(self, name: str, header: Header) -> Iterator[IO[bytes]]:
        with _reading():
            member = self._zip.open(self._member(name))
        with member:
            # Read, not sought: seeking gives up the checksum.
            _read(member, np.dtype("u1"), header.start)
            yield member


@contextmanager
def new_archive(path: Path, *, overwrite: bool) -> Iterator[ZipFile]:
    """An archive to write, which stands at `path` once it is whole and not before. Raises FileExistsError, OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _refuse_existing(path, overwrite=overwrite)
        with part.open("wb") as file:
            with ZipFile(file, "w") as archive:
                yield archive
            file.flush()
            os.fsync(file.fileno())
        _refuse_existing(path, overwrite=overwrite)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_array(
    archive: ZipFile, name: str, dtype: DTypeLike, shape: Sequence[int], chunks: Iterable[NDArray[Any]]
) -> None:
    """Add an array of a known shape from pieces of it, in order. Raises ValueError where they do not add up to it."""
    kind, left = np.dtype(dtype), math.prod(shape)
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        header = {"descr": npy.dtype_to_descr(kind), "fortran_order": False, "shape": tuple(shape)}
        npy.write_array_header_1_0(member, header)
        for chunk in chunks:
            member.write(chunk.astype(kind, copy=False).tobytes())
            left -= chunk.size
    if left:
        raise ValueError(f"{name} was to have the shape {tuple(shape)}; {left} numbers are missing")


def wrong(name: str, wanted: str, found: str) -> str:
    return _("“%(name)s” should be %(wanted)s; it is %(found)s.") % {"name": name, "wanted": wanted, "found": found}


def unreadable(reason: object) -> str:
    return _("The file is not an .npz file that can be read: %(reason)s.") % {"reason": reason}


def _refuse_existing(path: Path, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise FileExistsError(path)


def _parsed(start: bytes) -> Header | None:
    """The header at the start of a member; None where there is none, or of an array in Fortran order."""
    stream = io.BytesIO(start)  # bounded: numpy reads as long a header as the file claims to have
    try:
        read_header = HEADER_READERS[npy.read_magic(stream)]
        shape, fortran_order, dtype = read_header(stream)
    except (KeyError, *HEADER_ERRORS):
        return None
    return None if fortran_order else Header(shape, dtype, stream.tell())


def _read(member: IO[bytes], dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    with _reading():
        data = member.read(count * dtype.itemsize)
        if len(data) != count * dtype.itemsize:
            raise EOFError(_("it is cut off"))
    return np.frombuffer(data, dtype)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except READ_ERRORS as error:
        raise BadArchive(unreadable(error)) from error

"""Bounds on what an upload may cost before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024
IMAGE_BYTES = 20 * MIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes are in bytes and count what is really read, never what a file says about itself."""

    row_bytes: int = 4 * MIB
    """One JSONL line, or one element of ``items``."""
    columns: int = 200
    entries: int = 200_000
    """Files in a ZIP or in an image folder."""
    entry_bytes: int = 2048 * MIB
    total_bytes: int = 20 * 1024 * MIB
    ratio: int = 200
    """Unpacked to packed size of a ZIP entry of more than 1 MiB; deflate cannot exceed 1032."""
    image_bytes: int = IMAGE_BYTES
    sheet_rows: int = 1_048_576
    """As many as a spreadsheet program can have."""
    spreadsheet_bytes: int = 256 * MIB
    """All parts of an XLSX, unpacked: its shared strings are held in memory."""

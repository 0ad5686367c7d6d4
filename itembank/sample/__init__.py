"""Deterministic sample items: Korean maths and science questions from our own templates, with known similarity."""

from itembank.sample.generator import SampleItem, generate, generate_text_rows
from itembank.sample.writer import Format, SampleDirectoryError, SampleSummary, write_sample, write_text_rows

__all__ = [
    "Format",
    "SampleDirectoryError",
    "SampleItem",
    "SampleSummary",
    "generate",
    "generate_text_rows",
    "write_sample",
    "write_text_rows",
]

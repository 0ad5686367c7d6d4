"""Truth sets in and out of files: ground_truth.json, TREC qrels and CSV."""

from groundtruth.exchange.exporting import export_queries, export_truth
from groundtruth.exchange.formats import FORMATS, Format, format_of
from groundtruth.exchange.importing import ImportRefused, ImportSummary, UnknownItems, import_truth
from groundtruth.exchange.qrels import NotForQrels

__all__ = [
    "FORMATS",
    "Format",
    "ImportRefused",
    "ImportSummary",
    "NotForQrels",
    "UnknownItems",
    "export_queries",
    "export_truth",
    "format_of",
    "import_truth",
]

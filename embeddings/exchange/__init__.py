"""An encoder's vectors in and out of .npz files, so that another machine can make or use them.

A file holds `ids` (item codes), `embeddings` (count, dimensions), `fingerprint` (0-d, of the encoder) and
`content_hashes`: of the content that each vector was made from.
"""

from embeddings.exchange.exporting import NothingToExport, export_embeddings
from embeddings.exchange.importing import Imported, ImportRefused, import_embeddings
from embeddings.exchange.progress import Report, Stage

__all__ = [
    "ImportRefused",
    "Imported",
    "NothingToExport",
    "Report",
    "Stage",
    "export_embeddings",
    "import_embeddings",
]

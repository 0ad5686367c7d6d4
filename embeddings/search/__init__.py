"""Search over the bank: one `search(request)`, whatever the query and the method."""

from embeddings.search.answers import Hit, RerankScore, SearchResponse, SignalScore
from embeddings.search.counting import counted
from embeddings.search.service import search as _search
from embeddings.search.types import Filters, Rerank, SearchError, SearchRequest

__all__ = [
    "Filters",
    "Hit",
    "Rerank",
    "RerankScore",
    "SearchError",
    "SearchRequest",
    "SearchResponse",
    "SignalScore",
    "search",
]

search = counted(_search)

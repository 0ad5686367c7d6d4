"""Search over the bank: one `search(request)`, whatever the query and the method."""

from embeddings.search.counting import counted
from embeddings.search.service import search as _search
from embeddings.search.types import Filters, Hit, SearchError, SearchRequest, SearchResponse

__all__ = ["Filters", "Hit", "SearchError", "SearchRequest", "SearchResponse", "search"]

search = counted(_search)

"""Every search is counted: how long its stages took, or why it failed. itembank/monitoring/counts.py keeps the sums."""

import functools
from collections.abc import Callable
from typing import ParamSpec

from embeddings.search.answers import SearchResponse
from embeddings.search.types import SearchError
from itembank.monitoring import counts

SEARCH_SECONDS, SEARCH_ERRORS = "itembank_search_seconds", "itembank_search_errors"
BROKEN = "exception"  # the code of an error that nobody foresaw
Asked = ParamSpec("Asked")


def counted(search: Callable[Asked, SearchResponse]) -> Callable[Asked, SearchResponse]:
    """The search, with its stages timed in the metrics and its errors counted by code."""

    @functools.wraps(search)
    def counting(*args: Asked.args, **kwargs: Asked.kwargs) -> SearchResponse:
        try:
            response = search(*args, **kwargs)
        except Exception as error:
            counts.count(SEARCH_ERRORS, error.code if isinstance(error, SearchError) else BROKEN)
            raise
        for stage, milliseconds in response.timings_ms.items():
            counts.observe(SEARCH_SECONDS, response.method, stage, seconds=milliseconds / 1000)
        return response

    return counting

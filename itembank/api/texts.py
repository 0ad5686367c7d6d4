"""Text that PostgreSQL can hold. Half surrogate pairs are refused by pydantic already."""

from typing import Annotated

from pydantic import StringConstraints

NO_NUL = r"^[^\x00]*$"

Line = Annotated[str, StringConstraints(max_length=200, pattern=NO_NUL)]
"""A value of a field; any item has shorter ones."""
Code = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)]
MetadataPair = Annotated[str, StringConstraints(max_length=400, pattern=r"^[^\x00=]+=[^\x00]+$")]
"""As itembank/matching.py reads it."""

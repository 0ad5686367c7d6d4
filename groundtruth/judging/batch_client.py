"""Files and batches of the provider, each request sent once. What came of one that failed is in CallError.reply."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any
from uuid import UUID

from django.utils.translation import gettext as _

from groundtruth.judging.client import Reply, failed, provider
from groundtruth.judging.parameters import JudgeError

if TYPE_CHECKING:
    from openai.types import Batch

logger = logging.getLogger(__name__)

PAGE = 100  # batches in a page of the provider's list, its highest
CHUNK_BYTES = 1 << 20
TIDY_SECONDS = 20.0  # nobody waits for a file to be deleted
KEY, JOB = "itembank_batch", "itembank_job"  # names in the metadata of a batch


class CallError(Exception):
    """A request that was not answered well."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.error)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Remote:
    """A batch as the provider tells of it: its state there, its result files so far, why it failed if it did, and
    the file that it was made of."""

    id: str
    state: str
    files: tuple[str, ...] = ()
    error: str = ""
    source: str = ""


def upload(file: IO[bytes], key: UUID) -> str:
    """The id of the file there. Raises CallError."""
    with _told():
        return provider().files.create(file=(_file_name(key), file), purpose="batch").id


def create(file_id: str, *, key: UUID, job_id: int) -> Remote:
    """Ask the provider to make the batch. Raises CallError."""
    with _told():
        made = provider().batches.create(
            input_file_id=file_id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={KEY: str(key), JOB: str(job_id)},
        )
        return _remote(made)


def find(key: UUID) -> Remote | None:
    """The batch that has the key in its metadata, whatever its state. Looks through all there are. Raises CallError."""
    with _told():
        found = [
            _remote(each) for each in provider().batches.list(limit=PAGE) if (each.metadata or {}).get(KEY) == str(key)
        ]
    if len(found) > 1:
        logger.error("The provider has %d batches with the key %s", len(found), key)
    return found[-1] if found else None  # newest first: the oldest


def retrieve(remote_id: str, key: UUID) -> Remote:
    """Raises CallError; JudgeError for a batch that is not ours: its results would pass for our answers."""
    with _told():
        found = provider().batches.retrieve(remote_id)
    if (found.metadata or {}).get(KEY) != str(key):
        raise JudgeError(
            _("The batch %(id)s at the provider is not the one that was sent. Check OPENAI_BASE_URL and the account.")
            % {"id": remote_id}
        )
    return _remote(found)


def cancel(remote_id: str) -> Remote:
    """Raises CallError."""
    with _told():
        return _remote(provider().batches.cancel(remote_id))


def results(file_id: str) -> Iterator[Mapping[str, Any]]:
    """The lines of a result file, which is fetched whole before the first. Raises CallError."""
    with TemporaryFile() as kept:
        with _told(), provider().files.with_streaming_response.content(file_id) as response:
            for chunk in response.iter_bytes(CHUNK_BYTES):
                kept.write(chunk)
        kept.seek(0)
        # Lines of bytes: texts have other ends of lines in them.
        yield from (line for line in map(_parsed, kept) if line is not None)


def delete_files(file_ids: Iterable[str]) -> None:
    """Delete these there. Never raises: nothing hangs on it, and the log says which ones stay."""
    for file_id in file_ids:
        try:
            with _told():
                provider().with_options(timeout=TIDY_SECONDS).files.delete(file_id)
        except (CallError, JudgeError) as error:
            if not (isinstance(error, CallError) and error.reply.status == 404):
                logger.warning("The file %s stays with the provider: %s", file_id, error)


def uploads(key: UUID) -> list[str]:
    """The files there that were uploaded for the batch, by processes that died too. None where it cannot be told."""
    try:
        with _told():
            files = provider().with_options(timeout=TIDY_SECONDS).files.list(purpose="batch")
            return [each.id for each in files if each.filename == _file_name(key)]
    except (CallError, JudgeError) as error:
        logger.warning("Files of the batch %s may stay with the provider: %s", key, error)
        return []


def _file_name(key: UUID) -> str:
    return f"itembank-{key}.jsonl"


def _parsed(line: bytes) -> Mapping[str, Any] | None:
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, Mapping) and line.strip():
        logger.warning("A line of a result file is no JSON object: %r", line[:200])
    return parsed if isinstance(parsed, Mapping) else None


def _remote(batch: "Batch") -> Remote:
    files = tuple(each for each in (batch.output_file_id, batch.error_file_id) if each)
    told = batch.errors.data if batch.errors and batch.errors.data else []
    error = "; ".join(each.message or each.code or "" for each in told)[:500]
    return Remote(batch.id, batch.status, files, error, source=batch.input_file_id)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except JudgeError:
        raise
    except Exception as error:  # also an answer that is no answer of this API
        raise CallError(failed(error)) from error

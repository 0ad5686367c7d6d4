"""Which revision of a model lies in a folder: the commit that its download noted, else a hash of its contents."""

import hashlib
import re
from functools import lru_cache
from pathlib import Path

# All that loading reads; no pickled weights, no code.
MODEL_FILES = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model")
WEIGHTS = ("*.safetensors",)
CONTENTS = "sha256:"  # how a revision begins that stands for the contents of a folder
_BLOCK = 1 << 20


def revision_of(folder: Path) -> str:
    """The commit (40 hex digits) or "sha256:.." for a folder that came in another way than by `hf download`."""
    return _downloaded_commit(folder) or _contents(folder)


def files_of(folder: Path, patterns: tuple[str, ...] = MODEL_FILES) -> list[Path]:
    """The model's files, those of sub-folders too (sentence-transformers keeps a module in each)."""
    found = {file for pattern in patterns for file in folder.rglob(pattern) if file.is_file()}
    return sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(folder).parts))


def _downloaded_commit(folder: Path) -> str:
    """The commit that `hf download --local-dir` noted beside the files; empty where they came in another way.

    All weights must be noted, and every noted file must still be what was downloaded.
    """
    notes = {file: _note(folder, file) for file in files_of(folder)}
    commits = {note[0] for note in notes.values() if note}
    noted = all(notes[file] for file in files_of(folder, WEIGHTS))
    if not noted or len(commits) != 1 or not all(_is_as_noted(file, note) for file, note in notes.items() if note):
        return ""
    return commits.pop()


def _note(folder: Path, file: Path) -> list[str]:
    """Commit, ETag and time of the file's download; empty where it was not noted."""
    name = file.relative_to(folder)
    note = folder / ".cache/huggingface/download" / name.parent / f"{name.name}.metadata"
    try:
        lines = note.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        return []
    return lines[:3] if len(lines) >= 3 and re.fullmatch("[0-9a-f]{40}", lines[0]) else []


def _is_as_noted(file: Path, note: list[str]) -> bool:
    """Untouched since, or, where it was copied, with the contents that its ETag tells: SHA-256 or git's blob hash."""
    _commit, etag, downloaded = note
    if file.stat().st_mtime - 1 <= float(downloaded):
        return True
    return etag == (_file_hash(file) if len(etag) == 64 else _git_hash(file))


def _git_hash(file: Path) -> str:
    contents = file.read_bytes()
    return hashlib.sha1(b"blob %d\0%b" % (len(contents), contents), usedforsecurity=False).hexdigest()


def _contents(folder: Path) -> str:
    """What stands for a revision where nobody noted one: a hash of names and contents."""
    lines = [f"{file.relative_to(folder).as_posix()} {_file_hash(file)}\n" for file in files_of(folder)]
    return f"{CONTENTS}{hashlib.sha256(''.join(lines).encode()).hexdigest()[:40]}"


def _file_hash(file: Path) -> str:
    stat = file.stat()
    return _hash_of(file, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=1024)
def _hash_of(file: Path, size: int, changed_ns: int) -> str:
    # Read once a process while it stays as it is: hashing 16 GB takes half a minute.
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()

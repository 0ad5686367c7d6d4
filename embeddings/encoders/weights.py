"""Where a model's files are: a folder of this machine, or the hub's cache; pinned by revision, safetensors only.

No torch here: the web process asks for a model's dimensions too.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from embeddings.encoders.errors import EncoderError, ModelUnavailable
from embeddings.encoders.revisions import CONTENTS, MODEL_FILES, WEIGHTS, files_of, revision_of

# A name of the hub; nothing that could lead out of MODELS_DIR.
_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*")
_HUB_SECONDS = 10.0
_LONGEST_HEADER = 100_000_000  # the limit of the safetensors format


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a checkpoint, as its file's header describes it."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model's folder and the revision of what lies in it."""

    path: Path
    revision: str

    def config(self, name: str = "config.json") -> dict[str, Any]:
        """One of its JSON files. Raises ModelUnavailable where it is missing or broken."""
        try:
            found: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise unreadable(self.path / name, error) from error
        return found

    def width(self, *place: str, file: str = "config.json", default: int | None = None) -> int:
        """A number of one of its config files, or `default` where only its name is left out.

        Raises ModelUnavailable where another model lies there.
        """
        found: Any = self.config(file)
        *way, name = place
        try:
            for step in way:
                found = found[step]
            return int(found[name] if default is None else found.get(name, default))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise unreadable(self.path / file, error) from error

    def tensors(self) -> Iterator[Tensor]:
        """Its tensors, from the headers alone. Raises ModelUnavailable where a file is broken or cut off."""
        for file in _weights(self.path):
            yield from (tensor for tensor, _end in _header(file))


def locate(model_id: str, revision: str = "", *, weights: bool = True) -> ModelFiles:
    """The model's files: from MODELS_DIR where they are there, else from the hub, into its cache.

    With `revision`, exactly that one; without, whatever is there (from the hub: today's main, pinned by its commit).
    Without `weights`, the hub is asked for the small files only. Raises ModelUnavailable with what to do, EncoderError
    where `model_id` is not organisation/model.
    """
    folder = model_folder(model_id)
    if folder.is_dir():
        return _local(folder, model_id, revision)
    if revision.startswith(CONTENTS):
        raise _other_contents(folder, model_id, revision)
    return _from_hub(model_id, revision, weights=weights)


def model_folder(model_id: str) -> Path:
    """Where on this machine the model's files belong. Raises EncoderError where `model_id` is no model's name."""
    if not _MODEL_ID.fullmatch(model_id):
        raise EncoderError(
            _("“%(model)s” is no model's name; write it as on the hub: organisation/model") % {"model": model_id}
        )
    folder: Path = settings.MODELS_DIR / model_id
    return folder


# ---- a folder of this machine


def _local(folder: Path, model_id: str, wanted: str) -> ModelFiles:
    _check_complete(folder, _download(model_id, wanted))
    files = ModelFiles(folder, revision_of(folder))
    if not wanted or files.revision == wanted:
        return files
    if wanted.startswith(CONTENTS):
        raise _other_contents(folder, model_id, wanted)
    raise ModelUnavailable(
        _("%(folder)s holds revision %(found)s, the encoder was made with %(wanted)s; download that one: %(command)s")
        % {"folder": folder, "found": files.revision, "wanted": wanted, "command": _download(model_id, wanted)}
    )


def _check_complete(folder: Path, command: str) -> None:
    """Raises ModelUnavailable where weights are missing or cut off, as after a download or copy that was broken off."""
    if not any(_weights(folder)) and not any(folder.glob("*.safetensors.index.json")):
        raise ModelUnavailable(
            _("%(folder)s holds no safetensors weights, and no others are loaded; download them: %(command)s")
            % {"folder": folder, "command": command}
        )
    missing = [name for name in _shards(folder) if not (folder / name).is_file()]
    missing += [file.relative_to(folder).as_posix() for file in _weights(folder) if not _is_whole(file)]
    if missing:
        raise ModelUnavailable(
            _("%(folder)s is incomplete: %(files)s missing or cut off; go on with the download: %(command)s")
            % {"folder": folder, "files": ", ".join(missing), "command": command}
        )


def _shards(folder: Path) -> list[str]:
    """Names of the files that the index of a model in several files wants."""
    found: set[str] = set()
    for index in folder.glob("*.safetensors.index.json"):
        try:
            found |= set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise unreadable(index, error) from error
    return sorted(found)


def _is_whole(file: Path) -> bool:
    try:
        ends = [end for _tensor, end in _header(file)]
        with file.open("rb") as stream:
            header = int.from_bytes(stream.read(8), "little")
    except ModelUnavailable:
        return False
    return file.stat().st_size == 8 + header + max(ends, default=0)


def _header(file: Path) -> list[tuple[Tensor, int]]:
    """The tensors of a safetensors file, each with where its bytes end: 8 bytes of length, then JSON."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > _LONGEST_HEADER:
                raise ValueError(f"a header of {length} bytes")
            entries = json.loads(stream.read(length))
        return [
            (Tensor(name, tuple(map(int, entry["shape"]))), int(entry["data_offsets"][1]))
            for name, entry in entries.items()
            if name != "__metadata__"
        ]
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise unreadable(file, error) from error


def _weights(folder: Path) -> list[Path]:
    return files_of(folder, WEIGHTS)


# ---- the hub


def _from_hub(model_id: str, revision: str, *, weights: bool) -> ModelFiles:
    try:
        path = _snapshot(model_id, revision, weights=weights)
    except Exception as error:  # the client lets through whatever its HTTP library raises
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise ModelUnavailable(
            _("%(model)s is not in %(folder)s, and the hub does not give it (%(reason)s); download it: %(command)s")
            % {
                "model": model_id,
                "folder": model_folder(model_id),
                "reason": reason,
                "command": _download(model_id, revision),
            }
        ) from error
    if weights:
        _check_complete(path, _download(model_id, revision))
    return ModelFiles(path, path.name)  # the hub's cache names a snapshot by its commit


def _snapshot(model_id: str, revision: str, *, weights: bool) -> Path:
    """A pinned revision that the cache holds whole is used without asking the hub, the cached main where it is away."""
    from huggingface_hub import HfApi, snapshot_download

    if revision and (found := _cached(model_id, revision, weights=weights)):
        return found
    try:
        # Asked first, since the download itself tries an unreachable hub for a minute.
        HfApi().model_info(model_id, revision=revision or None, timeout=_HUB_SECONDS)
    except Exception:
        if not revision and (found := _cached(model_id, "main", weights=weights)):
            return found
        raise
    return Path(snapshot_download(model_id, revision=revision or None, allow_patterns=_wanted(weights)))


def _cached(model_id: str, revision: str, *, weights: bool) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = snapshot_download(model_id, revision=revision, allow_patterns=_wanted(weights), local_files_only=True)
        path = Path(found)
        if weights:
            _check_complete(path, "")
    except (LocalEntryNotFoundError, ModelUnavailable):
        return None
    return path


def _wanted(weights: bool) -> list[str]:
    return list(MODEL_FILES) if weights else ["*.json"]


# ---- what to do


def _download(model_id: str, revision: str) -> str:
    pinned = f" --revision {revision}" if revision and not revision.startswith(CONTENTS) else ""
    return f"hf download {model_id}{pinned} --local-dir {model_folder(model_id)}"


def unreadable(file: Path, error: Exception) -> ModelUnavailable:
    """The error of a file that is broken or another model's."""
    return ModelUnavailable(
        _("%(file)s cannot be read (%(error)s); download the model again") % {"file": file, "error": error}
    )


def _other_contents(folder: Path, model_id: str, wanted: str) -> ModelUnavailable:
    return ModelUnavailable(
        _(
            "the encoder was made from a folder with %(model)s that no download noted (%(wanted)s), and %(folder)s is "
            "not that one; copy that folder there"
        )
        % {"model": model_id, "wanted": wanted, "folder": folder}
    )

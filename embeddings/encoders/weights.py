"""Where a model's files are: a folder of this machine, or the hub's cache; pinned by revision, safetensors only.

No torch here: the web process asks for a model's dimensions too.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from embeddings.encoders.errors import ModelUnavailable

HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]
_BLOCK = 1 << 20


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
            raise ModelUnavailable(
                _("%(file)s cannot be read (%(error)s); download the model again")
                % {"file": self.path / name, "error": error}
            ) from error
        return found

    def weight_bytes(self) -> int:
        """Size of the weights as they are stored."""
        return sum(file.stat().st_size for file in self.path.glob("*.safetensors"))


def locate(model_id: str, revision: str = "", *, weights: bool = True) -> ModelFiles:
    """The model's files: from MODELS_DIR where they are there, else from the hub, into its cache.

    With `revision`, exactly that one; without, whatever is there (from the hub: today's main, pinned by its commit).
    Without `weights`, the hub is asked for the small files only. Raises ModelUnavailable with what to do.
    """
    folder = settings.MODELS_DIR / model_id
    files = _local(folder, model_id) if folder.is_dir() else _from_hub(model_id, revision, weights=weights)
    if revision and files.revision != revision:
        raise ModelUnavailable(
            _(
                "%(folder)s holds revision %(found)s of %(model)s, the encoder was made with %(wanted)s; download that "
                "one: hf download %(model)s --revision %(wanted)s --local-dir %(folder)s"
            )
            % {"folder": files.path, "found": files.revision, "model": model_id, "wanted": revision}
        )
    return files


def _local(folder: Path, model_id: str) -> ModelFiles:
    if not any(folder.glob("*.safetensors")):
        raise ModelUnavailable(
            _(
                "%(folder)s holds no safetensors weights (others are not loaded); hf download %(model)s --local-dir %(folder)s"
            )
            % {"folder": folder, "model": model_id}
        )
    return ModelFiles(folder, _downloaded_commit(folder) or _digest(folder))


def _downloaded_commit(folder: Path) -> str:
    """The commit that `hf download --local-dir` noted beside the files; empty where they came in another way."""
    notes = [folder / ".cache/huggingface/download" / f"{file.name}.metadata" for file in folder.glob("*.safetensors")]
    commits = {note.read_text(encoding="utf-8").split("\n")[0] for note in notes if note.is_file()}
    return commits.pop() if len(commits) == 1 and all(note.is_file() for note in notes) else ""


def _digest(folder: Path) -> str:
    """What stands for a revision where nobody noted one: the contents."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")]):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return f"sha256:{digest.hexdigest()[:40]}"


def _from_hub(model_id: str, revision: str, *, weights: bool) -> ModelFiles:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    wanted = HUB_FILES if weights else ["*.json"]
    try:
        path = Path(snapshot_download(model_id, revision=revision or None, allow_patterns=wanted))
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        folder = settings.MODELS_DIR / model_id
        raise ModelUnavailable(
            _(
                "%(model)s is not in %(folder)s, and the hub does not give it; hf download %(model)s --local-dir %(folder)s"
            )
            % {"model": model_id, "folder": folder}
        ) from error
    return ModelFiles(path, path.name)  # the hub's cache names a snapshot by its commit

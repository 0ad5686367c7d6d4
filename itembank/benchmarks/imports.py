"""Import of text items from JSONL, against a bare COPY of the same rows into the same table."""

import json
import random
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from itembank.benchmarks.scratch import Run, ScratchBank, scratch_bank

MAX_RATIO = 8.0
MAX_MB = 1024
IMPORTS, COPIES = 2, 3  # the fastest of each counts
_EMPTY = "TRUNCATE itembank_item CASCADE"
_SUBJECTS = {
    "수학": ["일차함수", "이차방정식", "도형의 닮음", "경우의 수", "미분계수"],
    "물리학": ["등가속도 운동", "전기 회로", "파동의 간섭"],
    "화학": ["화학 반응식", "산과 염기", "몰 농도"],
    "생명과학": ["유전의 원리", "세포 분열"],
    "지구과학": ["판 구조론", "별의 진화"],
}
_PHRASES = (
    "다음 그래프가 나타내는 관계를 보고 물음에 답하시오.",
    "물체가 일정한 빠르기로 움직일 때 걸린 시간을 구하시오.",
    "두 직선이 만나는 점의 좌표를 구하고 그 과정을 쓰시오.",
    "주어진 자료에서 평균과 표준편차를 각각 구하시오.",
    "민수는 사과를 몇 개 샀고, 거스름돈은 얼마를 받았습니까?",
    "보기에서 옳은 것만을 있는 대로 고른 것은?",
    "함수 $f(x) = {a}x^2 - {b}x + {c}$의 최솟값을 구하시오.",
    "$\\frac{{{a}}}{{{b}}} + \\sqrt{{{c}}}$의 값을 계산하시오.",
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--items", type=int, default=176_443)
    parser.add_argument("--seed", type=int, default=1)


def run(*, items: int, seed: int, **options: Any) -> None:
    """Print both times, their ratio and the importer's peak memory. Uses a database of its own, dropped at the end."""
    with tempfile.TemporaryDirectory(prefix="itembank-benchmark-") as folder, scratch_bank(Path(folder)) as bank:
        file = Path(folder) / "items.jsonl"
        write_items(file, items, seed)
        print(f"{items:,} text items, {file.stat().st_size / 1e6:.1f} MB of JSONL")
        firsts = [_import_of_new(bank, file, items) for _ in range(IMPORTS)]
        again = imported(bank, file, {"unchanged": items})
        copies = bare_copies(bank, Path(folder) / "items.copy")
    _report(items, firsts, again, copies)


def _import_of_new(bank: ScratchBank, file: Path, items: int) -> Run:
    with psycopg.connect(bank.url, autocommit=True) as connection:
        connection.execute(_EMPTY)
    return imported(bank, file, {"new": items})


def imported(bank: ScratchBank, file: Path, expected: dict[str, int]) -> Run:
    """One run of `import_items`: check and import, from the start of the process to its end."""
    run = bank.manage("import_items", str(file), "--json")
    report = json.loads(run.output)
    if any(report[name] != count for name, count in expected.items()):
        raise RuntimeError(f"The import did not do what it should: {run.output[:1000]}")
    return run


def bare_copies(bank: ScratchBank, file: Path) -> list[float]:
    """Seconds that COPY takes for the rows just imported: the same table, constraints and indexes, emptied before."""
    with psycopg.connect(bank.url, autocommit=True) as connection:
        with file.open("wb") as out, connection.cursor().copy("COPY itembank_item TO STDOUT") as copy:
            out.writelines(bytes(block) for block in copy)
        return [_bare_copy(connection, file) for _ in range(COPIES)]


def _bare_copy(connection: "psycopg.Connection[Any]", file: Path) -> float:
    connection.execute(_EMPTY)
    began = time.perf_counter()
    with file.open("rb") as rows, connection.cursor().copy("COPY itembank_item FROM STDIN") as copy:
        while block := rows.read(1 << 20):
            copy.write(block)
    return time.perf_counter() - began


def write_items(file: Path, count: int, seed: int) -> None:
    with file.open("w", encoding="utf-8") as out:
        for item in _items(count, random.Random(seed)):  # noqa: S311 - not for secrets
            out.write(json.dumps(item, ensure_ascii=False) + "\n")


def _items(count: int, chance: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(count):
        subject = chance.choice(list(_SUBJECTS))
        a, b, c = (chance.randint(2, 999) for _ in range(3))
        text = " ".join(chance.choices(_PHRASES, k=chance.randint(1, 5))).format(a=a, b=b, c=c)
        choices = [str(chance.randint(1, 999)) for _ in range(5)] if number % 2 else []
        yield {
            "id": f"B-{number:07d}",
            "subject": subject,
            "grade": f"중{chance.randint(1, 3)}",
            "unit": chance.choice(_SUBJECTS[subject]),
            "item_type": "객관식" if choices else "단답형",
            "difficulty": chance.choice(["하", "중", "상"]),
            "text": f"({number}) {text}",
            "choices": choices,
            "answer": str(a),
            "image_path": None,
            "has_image": False,
            "metadata": {"source": "benchmark", "page": number // 20, "values": [a, b, c]},
        }


def _report(items: int, firsts: list[Run], again: Run, copies: list[float]) -> None:
    first, bare = min(run.seconds for run in firsts), min(copies)
    ratio = first / bare
    peak = max(run.peak_mb for run in (*firsts, again))
    _print("import_items, all new", items, first, [run.seconds for run in firsts])
    _print("import_items, unchanged", items, again.seconds, [again.seconds])
    _print("bare COPY", items, bare, copies)
    print(f"ratio import / COPY: {ratio:.2f} (at most {MAX_RATIO:g}: {_verdict(ratio <= MAX_RATIO)})")
    print(f"peak memory of the importer: {peak:.0f} MB (at most {MAX_MB}: {_verdict(peak <= MAX_MB)})")


def _print(name: str, items: int, best: float, of: list[float]) -> None:
    print(f"{name + ':':<25}{best:7.2f} s {items / best:9,.0f} items/s  (of {_listed(of)})")


def _listed(seconds: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in seconds)


def _verdict(good: bool) -> str:
    return "PASS" if good else "FAIL"

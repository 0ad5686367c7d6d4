"""`manage.py sample_review`: draw a verification sample of a set, for people to review."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from groundtruth.models import ReviewRound
from groundtruth.review_rounds import sample_round
from groundtruth.selectors import named_set
from groundtruth.set_services import SetError


class Command(BaseCommand):
    help = "Draw pairs by category of the query item, of every relevance, as a review round. A seed draws the same."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--set", required=True, dest="set_name", metavar="NAME", help=_("A name, “name v2” or an id.")
        )
        parser.add_argument("--pairs", type=int, default=50, metavar="N")
        parser.add_argument("--seed", type=int, default=1, metavar="S")
        parser.add_argument("--name", default="")
        parser.add_argument("--reviewers", type=int, default=1, choices=(1, 2))

    def handle(
        self, *args: Any, set_name: str, pairs: int, seed: int, name: str, reviewers: int, **options: Any
    ) -> None:
        if pairs < 1 or seed < 0:
            raise CommandError(_("Give --pairs from 1 and a --seed from 0."))
        try:
            truth_set = named_set(set_name)
            made = sample_round(truth_set=truth_set, pairs=pairs, seed=seed, name=name, reviewers_a_pair=reviewers)
        except SetError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(_sentence(made))


def _sentence(made: ReviewRound) -> str:
    message = _("Review round %(id)s, “%(name)s”, has %(pairs)s pairs.")
    return message % {"id": made.pk, "name": made.name, "pairs": made.pairs.count()}

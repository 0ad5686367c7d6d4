"""`manage.py truth_from_thumbs`: make a truth set of what people marked in searches by an item."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from groundtruth.from_marks import Choice, Plan, make_from_marks, planned
from groundtruth.set_services import SetError
from groundtruth.thumbs import RULES


class Command(BaseCommand):
    help = "Make a truth set of thumbs. Thumbs on searches by text or picture stay out: the queries of a set are items."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True)
        parser.add_argument("--people", nargs="+", default=[], metavar="USER", help=_("User names; else everybody."))
        parser.add_argument("--since", type=date.fromisoformat, metavar="YYYY-MM-DD")
        parser.add_argument("--subject", nargs="+", default=[], metavar="SUBJECT")
        parser.add_argument("--up", type=int, default=2, help=_("The relevance that a thumb up means."))
        parser.add_argument("--down", type=int, default=0, help=_("The relevance that a thumb down means."))
        parser.add_argument("--disagreement", choices=RULES, default="majority")
        parser.add_argument("--plan-only", action="store_true", help=_("Count, and make nothing."))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            choice = chosen(options)
            self.stdout.write(told(planned(choice)))
            if not options["plan_only"]:
                made = make_from_marks(name=options["name"], choice=choice, viewer=None, user=None)
                self.stdout.write(_("“%(set)s” (%(id)s) was made.") % {"set": made, "id": made.pk})
        except SetError as error:
            raise CommandError(str(error)) from error


def chosen(options: dict[str, Any]) -> Choice:
    """Raises SetError, also for people that there are none of."""
    ids = dict(User.objects.filter(username__in=options["people"]).values_list("username", "pk"))
    if unknown := [name for name in options["people"] if name not in ids]:
        raise SetError(_("There is no user %(names)s.") % {"names": ", ".join(unknown)})
    return Choice(
        people=tuple(ids.values()),
        since=options["since"],
        subjects=tuple(options["subject"]),
        up=options["up"],
        down=options["down"],
        rule=options["disagreement"],
    )


def told(plan: Plan) -> str:
    held = _("%(thumbs)s thumbs: %(queries)s queries, %(pairs)s pairs, of them %(similar)s similar.") % {
        "thumbs": f"{plan.all_thumbs:,}", "queries": f"{len(plan.queries):,}",
        "pairs": f"{len(plan.pairs):,}", "similar": f"{plan.similar:,}",
    }  # fmt: skip
    left = _(
        "Left out: %(text)s thumbs in searches by text, %(picture)s by a picture, %(gone)s by deleted items; "
        "%(undecided)s pairs that people disagree on."
    ) % {"text": plan.by_text, "picture": plan.by_picture, "gone": plan.gone, "undecided": plan.undecided}
    return f"{held}\n{left}"

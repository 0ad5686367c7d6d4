"""What the three roles of groundtruth/roles.py may do with evaluations; offered to them as their other permissions."""

from groundtruth.roles import CONTENT_STAFF, ENGINEER, LEAD

_SEE = frozenset(
    f"evaluation.view_{model}" for model in ("evaluationrun", "queryranking", "performancerun", "criterion", "report")
)
_WORK = {"evaluation.add_evaluationrun", "evaluation.change_evaluationrun", "evaluation.add_report"}
_DECIDE = {
    "evaluation.add_criterion",
    "evaluation.change_criterion",
    "evaluation.delete_criterion",
    "evaluation.delete_report",
}

GRANTS: dict[str, frozenset[str]] = {
    CONTENT_STAFF: frozenset({"evaluation.view_report"}),
    ENGINEER: _SEE | _WORK,
    LEAD: _SEE | _WORK | _DECIDE,
}

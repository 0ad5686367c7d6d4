"""Truth sets, the paid calls that judge their pairs, and the people who review them."""

from groundtruth.models.judging import JudgeBatch, JudgeJob, JudgeQuestion, ModelPrice, Prompt
from groundtruth.models.ledger import LedgerEntry, SpendDay
from groundtruth.models.review import Change, Judgement, ReviewPair, ReviewRound
from groundtruth.models.roles import RoleGrant
from groundtruth.models.sets import Relevance, TruthItem, TruthPair, TruthQuery, TruthSet

__all__ = [
    "Change",
    "JudgeBatch",
    "JudgeJob",
    "JudgeQuestion",
    "Judgement",
    "LedgerEntry",
    "ModelPrice",
    "Prompt",
    "Relevance",
    "ReviewPair",
    "ReviewRound",
    "RoleGrant",
    "SpendDay",
    "TruthItem",
    "TruthPair",
    "TruthQuery",
    "TruthSet",
]

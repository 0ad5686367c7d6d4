"""The pages of evaluation. Importing the package registers them."""

from evaluation.admin import criteria, performance, reports, runs

__all__ = ["criteria", "performance", "reports", "runs"]

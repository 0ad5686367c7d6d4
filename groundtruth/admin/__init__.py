"""The pages of the ground truth. Importing the package registers them."""

from groundtruth.admin import changes, judging, prompts, review, spending, truth_pairs, truth_sets

__all__ = ["changes", "judging", "prompts", "review", "spending", "truth_pairs", "truth_sets"]

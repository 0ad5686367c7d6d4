"""The pages of the ground truth. Importing the package registers them."""

from groundtruth.admin import judging, prompts, review, spending

__all__ = ["judging", "prompts", "review", "spending"]

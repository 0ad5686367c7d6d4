"""The pages of the ground truth. Importing the package registers them."""

from groundtruth.admin import judging, prompts, spending

__all__ = ["judging", "prompts", "spending"]

"""The pages of vectors and searches. Importing the package registers them."""

from embeddings.admin import encoders, items, jobs, rerankers

__all__ = ["encoders", "items", "jobs", "rerankers"]

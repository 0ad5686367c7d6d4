"""Embedding the items of a job: claim -> preprocess -> forward -> guarded write."""

"""Searching exactly for every query of a truth: corpus, vectors, signals, and their fusion."""

"""Benchmarks of the top floor; run by `manage.py benchmark`."""

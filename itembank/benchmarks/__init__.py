"""Benchmarks of the ground floor; run by `manage.py benchmark`."""

"""Encoders: text and images in, one unit vector an item out. Start at `base` (contract) and `registry`."""

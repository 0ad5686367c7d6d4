"""What other programs call: `/api/v1`. Each floor adds a router of its own; itembank/api/site.py puts them together."""

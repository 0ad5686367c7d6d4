"""Asking paid models how similar items are: what is asked, what it costs, and the ledger of every request."""

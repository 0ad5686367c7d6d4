"""The pages of the bank. Importing the package registers them."""

from itembank.admin import accounts, items, uploads

__all__ = ["accounts", "items", "uploads"]

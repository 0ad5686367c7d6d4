"""The pages of the bank. Importing the package registers them."""

from itembank.admin import accounts, api_tokens, items, uploads

__all__ = ["accounts", "api_tokens", "items", "uploads"]

"""From an opened upload to the bank: records, images, the two passes (check, import) and the way into the tables."""

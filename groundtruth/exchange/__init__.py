"""Truth sets as files: ground_truth.json, TREC qrels and CSV."""

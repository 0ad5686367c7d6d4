"""Vector spaces, vectors, terms, and the rows that own embedding work."""

from embeddings.models.encoders import ENCODER_SLUG, Encoder, EncoderPart
from embeddings.models.feedback import SearchMark, SearchQuery
from embeddings.models.jobs import EmbeddingJob, JobItem
from embeddings.models.lexical import ItemTerms, LexicalGeneration, LexicalPart
from embeddings.models.rerankers import SLICE_FIELDS, QueryReranking, Reranker, RerankException
from embeddings.models.vectors import Embedding, QueryEncoding

__all__ = [
    "ENCODER_SLUG",
    "SLICE_FIELDS",
    "Embedding",
    "EmbeddingJob",
    "Encoder",
    "EncoderPart",
    "ItemTerms",
    "JobItem",
    "LexicalGeneration",
    "LexicalPart",
    "QueryEncoding",
    "QueryReranking",
    "RerankException",
    "Reranker",
    "SearchMark",
    "SearchQuery",
]

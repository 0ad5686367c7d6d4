"""The terms of items, and the index over them that every process loads."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from itembank.models import HASH_LENGTH, Item

VERSIONS = "embeddings_itemterms_version"
"""The sequence of versions. A highest row may be deleted, and no version may come twice."""


class ItemTerms(models.Model):
    """The terms of an item's text; current while `content_hash` equals the item's.

    `version` rises with each write. Only one process writes at a time (embeddings/term_services.py), so that versions
    become visible in their order: what is newer than a version that was seen is all that changed since.
    """

    # The database deletes the row with its item: one written while the item is being deleted would stop the deletion.
    item = models.OneToOneField(
        Item, models.DO_NOTHING, primary_key=True, related_name="indexed_terms", verbose_name=_("item")
    )
    content_hash = models.CharField(max_length=HASH_LENGTH)
    terms = models.TextField(blank=True)  # in the order of the text, one a line
    version = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["version"], name="itemterms_version")]

    def __str__(self) -> str:
        return f"{self.item_id}"


class LexicalGeneration(models.Model):
    """A built index over all terms up to `version`. The newest counts; what is newer is searched beside it."""

    version = models.BigIntegerField()
    documents = models.PositiveIntegerField()
    mean_length = models.FloatField()  # terms a document
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"#{self.pk}"


class LexicalPart(models.Model):
    """A piece of an array of a generation: little-endian bytes, which follow one another by `position`."""

    generation = models.ForeignKey(LexicalGeneration, models.CASCADE, related_name="parts")
    name = models.CharField(max_length=16)
    position = models.PositiveSmallIntegerField()
    data = models.BinaryField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["generation", "name", "position"], name="lexicalpart_once"),
        ]

    def __str__(self) -> str:
        return f"{self.generation_id}/{self.name}/{self.position}"

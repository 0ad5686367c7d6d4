"""The items' pages with what this floor knows of them: their vectors, jobs over a selection, similar items."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from embeddings.admin.encoders import job_started
from embeddings.dispatch import start_job
from embeddings.encoders.base import Modality
from embeddings.models import Embedding, EmbeddingJob, Encoder, JobItem
from itembank.admin.base import person
from itembank.admin.items import ItemAdmin
from itembank.models import Item

Action = Callable[["EmbeddableItemAdmin", HttpRequest, QuerySet[Item]], HttpResponse]

admin.site.unregister(Item)


@admin.register(Item)
class EmbeddableItemAdmin(ItemAdmin):
    def get_actions(self, request: HttpRequest) -> Any:
        """One action an encoder: choosing it chooses what to embed with."""
        actions: dict[str, Any] = dict(super().get_actions(request))
        if request.user.has_perm("embeddings.add_embeddingjob"):
            for encoder in Encoder.objects.all():
                name = f"embed_{encoder.pk}"
                label = _("Embed the selected items with %(encoder)s") % {"encoder": encoder.title}
                actions[name] = (_embed_with(encoder), name, label)
        return actions

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        item = self.get_object(request, object_id)
        context = {"item_sections": ["embeddings/item_vectors.html"], "vectors": vectors_of(item) if item else []}
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))


def _embed_with(encoder: Encoder) -> Action:
    def embed(model_admin: EmbeddableItemAdmin, request: HttpRequest, queryset: QuerySet[Item]) -> HttpResponse:
        ids = queryset.values_list("pk", flat=True)
        job = start_job(encoder=encoder, scope=EmbeddingJob.Scope.SELECTION, item_ids=ids, user=person(request))
        return job_started(request, job)

    return embed


@dataclass(frozen=True, slots=True)
class VectorState:
    """Whether an item has its vector of an encoder: current, outdated, quarantined, missing or needless."""

    encoder: Encoder
    state: str
    reason: str = ""


def vectors_of(item: Item) -> list[VectorState]:
    """One entry an encoder, in one query."""
    vector = Embedding.objects.filter(encoder=OuterRef("pk"), item=item).values("content_hash")
    quarantined = JobItem.objects.filter(job__encoder=OuterRef("pk"), item=item, state=JobItem.State.QUARANTINED)
    encoders = Encoder.objects.annotate(
        embedded_hash=Subquery(vector), quarantine=Subquery(quarantined.order_by("-job").values("reason")[:1])
    )
    return [_vector_state(encoder, item) for encoder in encoders]


def _vector_state(encoder: Any, item: Item) -> VectorState:
    if encoder.embedded_hash == item.content_hash:
        return VectorState(encoder, "current")
    if encoder.quarantine:
        return VectorState(encoder, "quarantined", encoder.quarantine)
    if encoder.embedded_hash:
        return VectorState(encoder, "outdated")
    needless = encoder.modality == Modality.IMAGE and item.category != Item.ItemCategory.IMAGE
    return VectorState(encoder, "needless" if needless else "missing")

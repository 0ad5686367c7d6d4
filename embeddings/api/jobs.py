"""Embedding jobs for other programs: start, follow, pause, resume, cancel."""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from ninja import Path, Query, Router, Schema
from ninja.responses import Status
from pydantic import ConfigDict, Field

from embeddings.dispatch import JobStateError, cancel_job, pause_job, resume_job, retry_failed, start_job
from embeddings.models import EmbeddingJob, Encoder
from embeddings.selectors import Progress, progress, progress_of
from itembank.api.access import ApiRequest, Guard
from itembank.api.paging import MAX_ID, Page, PageQuery, page
from itembank.api.problems import Problem, not_found
from itembank.api.scopes import Scope
from itembank.api.texts import Code, Line
from itembank.models import Item

router = Router(tags=["jobs"])

MOST_ITEMS = 10_000
JobScope = Literal["missing", "all", "failed", "selection"]
JobState = Literal["running", "paused", "completed", "failures", "cancelled"]
JobId = Path[Annotated[int, Field(ge=1, le=MAX_ID)]]


class Control(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"


CONTROLS: dict[Control, Callable[..., EmbeddingJob]] = {
    Control.PAUSE: pause_job,
    Control.RESUME: resume_job,
    Control.CANCEL: cancel_job,
    Control.RETRY: retry_failed,
}


class ProgressOut(Schema):
    pending: int
    leased: int = Field(description="In work.")
    done: int
    quarantined: int = Field(description="Failed three times alone; the job's page in the admin shows why.")
    total: int
    percent: int
    items_per_second: float | None = Field(description="In the last minute; null in a list.")
    seconds_left: float | None


class JobOut(Schema):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 17,
                    "encoder": "kure-v1",
                    "scope": "missing",
                    "state": "running",
                    "error": "",
                    "created_at": "2026-03-02T09:00:00+09:00",
                    "finished_at": None,
                    "progress": {
                        "pending": 60, "leased": 20, "done": 20, "quarantined": 0, "total": 100, "percent": 20,
                        "items_per_second": 12.5, "seconds_left": 6.4,
                    },
                }
            ]
        }
    )  # fmt: skip

    id: int
    encoder: str
    scope: JobScope
    state: JobState = Field(description="`failures`: over, with quarantined items. `paused` goes on by `resume`.")
    error: str
    created_at: datetime
    finished_at: datetime | None
    progress: ProgressOut


class JobIn(Schema):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"encoder": "kure-v1", "scope": "missing"}]}
    )

    encoder: Line = Field(description="Its slug.")
    scope: JobScope = "missing"
    items: list[Code] | None = Field(
        None, max_length=MOST_ITEMS, description="Codes, with the scope `selection` and no other."
    )


class JobQuery(PageQuery):
    encoder: Line | None = None
    state: JobState | None = None


@router.get("/jobs", response=Page[JobOut], auth=Guard(Scope.JOBS_READ), summary="List jobs")
def list_jobs(request: HttpRequest, query: Query[JobQuery]) -> dict[str, Any]:
    """Jobs, the newest first."""
    jobs = EmbeddingJob.objects.select_related("encoder")
    if query.encoder is not None:
        jobs = jobs.filter(encoder__slug=query.encoder)
    if query.state is not None:
        jobs = jobs.filter(state=query.state)
    return page(jobs, query, _shown_jobs, newest_first=True)


@router.post(
    "/jobs",
    response={201: JobOut},
    auth=Guard(Scope.JOBS_WRITE),
    summary="Start a job",
    operation_id="start_job",
    openapi_extra={
        "responses": {
            201: {
                "headers": {
                    "Location": {"description": "Of the job: a path on this host.", "schema": {"type": "string"}}
                },
            }
        }
    },
)
def start_embedding(request: ApiRequest, body: JobIn, response: HttpResponse) -> Status[dict[str, Any]]:
    """Embed items: those that lack a vector, all, those that failed before, or a selection."""
    encoder = Encoder.objects.filter(slug=body.encoder).first()
    if encoder is None:
        raise Problem(
            422, "unknown-encoder", _("There is no encoder “%(slug)s”. See /encoders.") % {"slug": body.encoder}
        )
    job = start_job(encoder=encoder, scope=body.scope, user=request.auth.user, item_ids=_item_ids(body))
    response["Location"] = reverse("api:read_job", args=[job.pk])
    return Status(201, _shown(job, progress(job)))


@router.get("/jobs/{int:job_id}", response=JobOut, auth=Guard(Scope.JOBS_READ), summary="One job")
def read_job(request: HttpRequest, job_id: JobId) -> dict[str, Any]:
    """How far a job is."""
    job = _job(job_id)
    return _shown(job, progress(job))


@router.post(
    "/jobs/{int:job_id}/{control}",
    response=JobOut,
    auth=Guard(Scope.JOBS_WRITE),
    summary="Pause, resume, cancel or retry a job",
    openapi_extra={"x-problems": [409]},
)
def control_job(request: HttpRequest, job_id: JobId, control: Path[Control]) -> dict[str, Any]:
    """`pause` and `resume`; `cancel` ends the job, and vectors that it made stay; `retry` takes up what failed."""
    try:
        job = CONTROLS[control](job=_job(job_id))
    except JobStateError as error:
        raise Problem(409, "job-state", str(error)) from error
    return _shown(job, progress(job))


def _job(job_id: int) -> EmbeddingJob:
    job = EmbeddingJob.objects.select_related("encoder").filter(pk=job_id).first()
    if job is None:
        raise not_found()
    return job


def _item_ids(body: JobIn) -> list[int] | None:
    """Ids of the codes. Raises Problem where some are unknown, or belong to another scope."""
    if (body.scope == "selection") != (body.items is not None):
        raise Problem(422, "items-and-scope", _("Give “items” with the scope “selection”, and with no other."))
    if body.items is None:
        return None
    known = dict(Item.objects.filter(code__in=body.items).values_list("code", "pk"))
    unknown = [code for code in body.items if code not in known]
    if unknown:
        raise Problem(
            422,
            "unknown-items",
            _("There are no items with the codes %(codes)s. Check them.") % {"codes": ", ".join(unknown[:10])},
        )
    return list(known.values())


def _shown_jobs(jobs: Sequence[EmbeddingJob]) -> list[dict[str, Any]]:
    found = progress_of(jobs)
    return [_shown(job, found[job.pk]) for job in jobs]


def _shown(job: EmbeddingJob, far: Progress) -> dict[str, Any]:
    names = ("id", "scope", "state", "error", "created_at", "finished_at")
    return {name: getattr(job, name) for name in names} | {
        "encoder": job.encoder.slug,
        "progress": {name: getattr(far, name) for name in ProgressOut.model_fields},
    }

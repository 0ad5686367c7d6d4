"""Tokens of programs that call the API: 256 random bits, of which the bank keeps the hash."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from itembank.api.scopes import scopes_of
from itembank.models import ApiToken

MARK = "ib_"
SHOWN = 8
"""Characters after the mark that the admin shows, to tell tokens apart: of 43, they give nothing away."""
USE_NOTED_EVERY = timedelta(minutes=1)


class TokenError(ValueError):
    """The token may not be made. The message is for whoever asks for it."""


def make_token(
    *, client: str, scopes: Iterable[str], user: User | None = None, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """The row, and the secret, which nobody can read again. Raises TokenError for scopes that `user` does not have."""
    given = sorted(set(scopes))
    if user is not None and not scopes_of(user).issuperset(given):
        raise TokenError(_("Nobody can give a token more than they may do themselves."))
    secret = MARK + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        client=client,
        prefix=secret[: len(MARK) + SHOWN],
        digest=_digest(secret),
        scopes=given,
        created_by=user,
        expires_at=expires_at,
    )
    return token, secret


def find_token(secret: str) -> ApiToken | None:
    """Revoked and expired ones too."""
    return ApiToken.objects.filter(digest=_digest(secret)).first()


def revoke_token(*, token: ApiToken) -> bool:
    """From now on, nobody gets in with it; False where it was revoked before."""
    return bool(ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()))


def note_use(token: ApiToken) -> None:
    """Once a minute is enough to see whether a token is still in use, and costs a search no write."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - USE_NOTED_EVERY:
        old = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_NOTED_EVERY)
        ApiToken.objects.filter(old, pk=token.pk).update(last_used_at=now)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()

"""Who calls, and whether they may: a token of a client, or the session of a signed-in colleague."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.utils import check_csrf

from itembank.api.problems import Problem, unknown_fields
from itembank.api.scopes import CHANGING, Scope, scopes_of
from itembank.api.throttle import count_call
from itembank.models import ApiToken
from itembank.tokens import find_token, note_use

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="itembank"'}


@dataclass(frozen=True, slots=True)
class Caller:
    """One of `token` and `user` is set. `name` is the client's, or the person's user name."""

    name: str
    scopes: frozenset[str]
    token: ApiToken | None = None
    user: User | None = None

    @property
    def key(self) -> str:
        """Whose calls are counted together: all tokens of a client, all sessions of a person."""
        return client_key(self.name) if self.token else f"user:{self.name}"


def client_key(name: str) -> str:
    return f"client:{name}"


class ApiRequest(HttpRequest):
    """A request as the API's own functions get it."""

    auth: Caller


class Guard:
    """Lets in who has the scope, with a Caller; raises Problem 401, 403 or 429, and 422 for parameters unknown.

    No scope: any known caller.
    """

    def __init__(self, scope: Scope | None = None) -> None:
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Caller:
        caller = identify(request)
        # For the record of calls, which is kept outside of ninja.
        request.api_caller, request.api_change = caller, self.scope in CHANGING  # type: ignore[attr-defined]
        count_call(caller.key)
        if self.scope is not None:
            demand(caller, self.scope)
        _refuse_unknown_parameters(request)
        return caller


def _refuse_unknown_parameters(request: HttpRequest) -> None:
    if request.GET:
        from itembank.api.site import unknown_parameters  # which imports the routers of all floors, and they this

        unknown = unknown_parameters(request)
        if unknown:
            raise unknown_fields(unknown)


def demand(caller: Caller, scope: Scope) -> None:
    if scope not in caller.scopes:
        raise Problem(
            403,
            "scope-missing",
            _("This needs the scope “%(scope)s”. Ask who runs the bank for it.") % {"scope": scope.value},
            scope=scope.value,
        )


def identify(request: HttpRequest) -> Caller:
    """A token that is given counts alone: a wrong one is not made good by a session."""
    header = request.headers.get("Authorization")
    if header is not None:
        return _by_token(header)
    user = request.user
    if not (user.is_authenticated and user.is_active and user.is_staff):
        raise _unknown(
            "not-signed-in", _("Who calls? Send a token as “Authorization: Bearer …”; the admin makes them.")
        )
    if check_csrf(request):
        raise Problem(
            403,
            "csrf-failed",
            _("A call by session that is not a GET needs the header X-CSRFToken. Programs use a token instead."),
        )
    return Caller(user.get_username(), scopes_of(user), user=user)


def _by_token(header: str) -> Caller:
    kind, _space, secret = header.partition(" ")
    token = find_token(secret.strip()) if kind.lower() == "bearer" else None
    if token is None:
        raise _unknown("token-unknown", _("This token is not known. Copy it anew, or ask for another."))
    if token.revoked_at:
        raise _unknown("token-revoked", _("This token was revoked. Ask who runs the bank for another."))
    if token.expired:
        raise _unknown("token-expired", _("This token has expired. Ask who runs the bank for another."))
    note_use(token)
    return Caller(token.client, frozenset(token.scopes), token=token)


def _unknown(code: str, detail: str) -> Problem:
    return Problem(401, code, detail, headers=CHALLENGE)

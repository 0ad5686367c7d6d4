"""All settings. Every environment variable is read here, strictly: a bad value names the variable and the value.

`ITEMBANK_MODE=local` (the default) needs no variable at all; `production` demands its secrets and hardens the rest.
"""

from decimal import Decimal
from pathlib import Path

import dj_database_url
import django_stubs_ext
from django.utils.translation import gettext_lazy as _
from environs import validate
from kombu import Exchange, Queue

from itembank.embedded import EmbeddedServices
from itembank.environment import deferred_env, refuse_bad_values
from itembank.logs import logging_config
from itembank.secret import local_secret_key

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

# Environment

env = deferred_env()
MODE = env.str("ITEMBANK_MODE", "local", validate=validate.OneOf(["local", "production"]))
PRODUCTION = MODE == "production"
DEBUG = env.bool("DEBUG", False)
HOME_DIR = Path(env.str("ITEMBANK_HOME", str(BASE_DIR / ".itembank"))).expanduser().resolve()
STATIC_ROOT = Path(env.str("STATIC_ROOT", str(HOME_DIR / "static")))
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", str(HOME_DIR / "media")))
DATABASE_URL = env.str("DATABASE_URL", "")
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", "")
SECRET_KEY = env.str("SECRET_KEY") if PRODUCTION else env.str("SECRET_KEY", "")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS") if PRODUCTION else ["127.0.0.1", "localhost", "[::1]", "testserver"]
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", PRODUCTION)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 31_536_000 if PRODUCTION else 0)
TRUST_PROXY = env.bool("TRUST_PROXY", False)
# How long a search waits for a worker to encode its query.
QUERY_TIMEOUT_SECONDS = env.int("QUERY_TIMEOUT_SECONDS", 20, validate=validate.Range(min=1))
SWEEP_SECONDS = env.int("SWEEP_SECONDS", 30, validate=validate.Range(min=1))
LOADED_MODELS = env.int("ITEMBANK_LOADED_MODELS", 2, validate=validate.Range(min=1))  # at once, on one GPU slot
# Encoder backends of your own: name=package.module:Class, separated by commas.
ENCODER_BACKENDS: dict[str, str] = env.dict("ITEMBANK_ENCODER_BACKENDS", {})
# Weights: MODELS_DIR/organisation/model, as `hf download organisation/model --local-dir` lays them.
MODELS_DIR = Path(env.str("ITEMBANK_MODELS_DIR", str(HOME_DIR / "models"))).expanduser().resolve()
# Who runs models for us: name=http://host:port/v1, separated by commas; their keys likewise, where they want one.
MODEL_SERVERS: dict[str, str] = env.dict("ITEMBANK_MODEL_SERVERS", {})
MODEL_SERVER_KEYS: dict[str, str] = env.dict("ITEMBANK_MODEL_SERVER_KEYS", {})
# Paid models that judge similarity, in the OpenAI protocol; what may be spent on them in a day (UTC), over all jobs.
OPENAI_BASE_URL = env.str("OPENAI_BASE_URL", "https://api.openai.com/v1")
OPENAI_API_KEY = env.str("OPENAI_API_KEY", "")
LLM_DAILY_CAP_USD = env.decimal("ITEMBANK_LLM_DAILY_CAP_USD", Decimal(20), validate=validate.Range(min=0))
LLM_TIMEOUT_SECONDS = env.int("ITEMBANK_LLM_TIMEOUT_SECONDS", 120, validate=validate.Range(min=1))  # for an answer
LOG_LEVEL = env.str("LOG_LEVEL", "INFO", validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]))
LOG_FORMAT = env.str("LOG_FORMAT", "line", validate=validate.OneOf(["line", "json"]))
# Of Prometheus, and of whoever may see the details of /readyz; without one, signed-in staff only.
METRICS_TOKEN = env.str("ITEMBANK_METRICS_TOKEN", "")
# Of one client, over all its tokens and all web processes.
API_CALLS_PER_MINUTE = env.int("API_CALLS_PER_MINUTE", 600, validate=validate.Range(min=1))
UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_BYTES", 2 * 1024**3, validate=validate.Range(min=1))  # each file of an upload
refuse_bad_values(env)

# Servers that the environment does not name are embedded ones under the home directory.
_embedded = EmbeddedServices(HOME_DIR, postgres=not DATABASE_URL, broker=not CELERY_BROKER_URL)
EMBEDDED = _embedded if _embedded.postgres or _embedded.broker else None
DATABASE_URL = DATABASE_URL or _embedded.database_url
CELERY_BROKER_URL = CELERY_BROKER_URL or _embedded.broker_url
SECRET_KEY = SECRET_KEY or local_secret_key(HOME_DIR)

# Application

INSTALLED_APPS = [
    "itembank",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "ninja",  # its documentation page, served from here
    "embeddings",
    "groundtruth",
    "evaluation",
]
MIDDLEWARE = [
    "itembank.request_ids.RequestIdMiddleware",
    "itembank.monitoring.middleware.MonitoringMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "itembank.security.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "itembank.api.middleware.ApiMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "itembank.urls"
WSGI_APPLICATION = "itembank.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# Database

DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=600, conn_health_checks=True)}

# Language and time: Korean first, English complete

LANGUAGE_CODE = "ko"
LANGUAGES = [("ko", _("Korean")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale", BASE_DIR / "locale" / "unfold"]
TIME_ZONE = "Asia/Seoul"
USE_TZ = True

# Files: static is public, media is served to signed-in staff only (itembank/media.py)

STATIC_URL = "static/"
MEDIA_URL = "media/"
WHITENOISE_USE_FINDERS = not PRODUCTION
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024

# Celery: messages are doorbells and may be lost, doubled or late without harm

CELERY_RESULT_BACKEND = CELERY_BROKER_URL  # carries "a query vector is ready", nothing that is trusted
CELERY_RESULT_EXPIRES = 300
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 900, "queue_order_strategy": "priority"}
CELERY_TASK_DEFAULT_QUEUE = "cpu"
CELERY_TASK_QUEUES = [
    # An exchange and a key of its own each: on a shared default key, every queue would get every message.
    Queue(name, Exchange(name, type="direct"), routing_key=name)
    for name in ("gpu.query", "gpu.batch", "cpu", "llm")
]
CELERY_TASK_ROUTES = {
    "embeddings.encode_query": {"queue": "gpu.query"},
    "embeddings.run_job": {"queue": "gpu.batch"},
    "groundtruth.run_judge_job": {"queue": "llm"},
}
CELERY_BEAT_SCHEDULE = {
    "sweep-embedding-jobs": {"task": "embeddings.sweep", "schedule": SWEEP_SECONDS},
    "sweep-truth": {"task": "groundtruth.sweep", "schedule": SWEEP_SECONDS},
    "sweep-evaluations": {"task": "evaluation.sweep", "schedule": SWEEP_SECONDS},
    "sweep-uploads": {"task": "itembank.sweep_uploads", "schedule": SWEEP_SECONDS},
    # One that waits behind a long build is of no use.
    "index-terms": {
        "task": "embeddings.index_terms",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS},
    },
    "measure-weak-lines": {"task": "embeddings.measure_weak_lines", "schedule": 60, "options": {"expires": 60}},
    "build-vector-indexes": {"task": "embeddings.build_indexes", "schedule": 60, "options": {"expires": 60}},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(HOME_DIR / "run" / "beat-schedule")

# Look of the admin

UNFOLD = {
    "SITE_TITLE": _("Itembank"),
    "SITE_HEADER": _("Itembank"),
    "SITE_SUBHEADER": _("Exam items and their likenesses"),
    "SITE_SYMBOL": "library_books",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "itembank.admin.assets.favicon"}],
    "SHOW_LANGUAGES": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "embeddings.admin.home.home",
    "STYLES": ["itembank.admin.assets.style"],
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.6)",
            "100": "oklch(93.2% .032 255.6)",
            "200": "oklch(88.2% .059 254.1)",
            "300": "oklch(80.9% .105 251.8)",
            "400": "oklch(70.7% .165 254.6)",
            "500": "oklch(62.3% .214 259.8)",
            "600": "oklch(54.6% .245 262.9)",
            "700": "oklch(48.8% .243 264.4)",
            "800": "oklch(42.4% .199 265.6)",
            "900": "oklch(37.9% .146 265.5)",
            "950": "oklch(28.2% .091 267.9)",
        },
    },
    "SIDEBAR": {"navigation": "itembank.admin.navigation.sidebar"},
}

# Security

SESSION_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_PROXY else None

# Logging: one line an event on standard error

LOGGING = logging_config(level=LOG_LEVEL, style=LOG_FORMAT)

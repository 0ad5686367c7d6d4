from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EmbeddingsConfig(AppConfig):
    name = "embeddings"
    verbose_name = _("Embeddings")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from embeddings import checks, monitoring  # noqa: F401 - checks register themselves

        monitoring.register_all()

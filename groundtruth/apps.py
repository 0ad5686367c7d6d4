from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GroundTruthConfig(AppConfig):
    name = "groundtruth"
    verbose_name = _("Ground truth")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from groundtruth import monitoring
        from groundtruth.roles import ROLES, offer

        offer(self, ROLES)
        monitoring.register_all()

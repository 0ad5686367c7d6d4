from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class GroundTruthConfig(AppConfig):
    name = "groundtruth"
    verbose_name = _("Ground truth")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from groundtruth import monitoring
        from groundtruth.roles import make_missing_roles

        # After the handler that makes the permissions: that of django.contrib.auth was connected before.
        post_migrate.connect(make_missing_roles, sender=self, dispatch_uid="groundtruth.roles")
        monitoring.register_all()

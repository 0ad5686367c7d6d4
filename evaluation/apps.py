from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class EvaluationConfig(AppConfig):
    name = "evaluation"
    verbose_name = _("Evaluation")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from evaluation import monitoring
        from evaluation.roles import grant_roles

        # After the roles themselves: groundtruth comes earlier among the apps.
        post_migrate.connect(grant_roles, sender=self, dispatch_uid="evaluation.roles")
        monitoring.register_all()

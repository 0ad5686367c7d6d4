from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EvaluationConfig(AppConfig):
    name = "evaluation"
    verbose_name = _("Evaluation")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from evaluation import monitoring
        from evaluation.roles import GRANTS
        from groundtruth.roles import offer

        offer(self, GRANTS)
        monitoring.register_all()

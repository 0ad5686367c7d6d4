from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ItembankConfig(AppConfig):
    name = "itembank"
    verbose_name = _("Items")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from itembank.monitoring import ground

        ground.register_all()

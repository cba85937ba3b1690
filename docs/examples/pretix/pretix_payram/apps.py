from django.utils.translation import gettext_lazy as _
from pretix.base.plugins import PluginConfig


class PayramPlugin(PluginConfig):
    name = "pretix_payram"
    verbose_name = "PayRam"

    class PretixPluginMeta:
        name = "PayRam"
        author = "the django_payram authors"
        version = "1.0"
        category = "PAYMENT"
        description = _("Tickets are paid with cryptocurrency.")

    def ready(self):
        from . import signals  # noqa: F401 - connects them

"""The settings of pretix, and what they need for django_payram."""

from pretix.settings import *
from pretix.settings import INSTALLED_APPS, SITE_URL, config

INSTALLED_APPS += ["django_payram"]

# The section [payram] of pretix.cfg, or PRETIX_PAYRAM_BASE_URL and PRETIX_PAYRAM_API_KEY in the environment.
PAYRAM = {
    "default": {
        "BASE_URL": config.get("payram", "base_url"),
        "API_KEY": config.get("payram", "api_key"),
        "SHOP_URL": SITE_URL,
    }
}

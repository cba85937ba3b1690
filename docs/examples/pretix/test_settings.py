import os

os.environ |= {"PRETIX_PAYRAM_BASE_URL": "http://127.0.0.1:8001", "PRETIX_PAYRAM_API_KEY": "a-key-for-the-example"}

from pretix.testutils.settings import *

from pretix_payram.settings import PAYRAM  # noqa: F401 - a setting

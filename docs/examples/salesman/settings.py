"""A small shop on Salesman."""

INSTALLED_APPS = [
    "shop",
    "django_payram",
    "salesman.core",
    "salesman.basket",
    "salesman.checkout",
    "salesman.orders",
    "salesman.admin",
    "rest_framework",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "urls"
SECRET_KEY = "only-for-this-example"
DEBUG = True
STATIC_URL = "/static/"

SALESMAN_PRODUCT_TYPES = {"shop.Product": "shop.serializers.ProductSerializer"}
SALESMAN_PAYMENT_METHODS = ["shop.payment.PayRam"]

# "manage.py payram_sandbox" is this PayRam.
PAYRAM = {"default": {"BASE_URL": "http://127.0.0.1:8001", "API_KEY": "a-key-for-the-example"}}

"""Settings of the test suite. SQLite by default; DATABASE_URL names another database, SURROUNDINGS other settings."""

from __future__ import annotations

import django
import environ

from tests.surroundings import chosen, surround

env = environ.Env()

SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
USE_TZ = True
LANGUAGE_CODE = "en-us"

DATABASES = {"default": env.db("DATABASE_URL", default="sqlite://:memory:")}
# The suite logs in hundreds of times, and nothing here is worth guarding.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_payram",
    "tests.shop",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
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
            ],
        },
    },
]
ROOT_URLCONF = "tests.urls"
STATIC_URL = "/static/"

if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}

PAYRAM = {
    "default": {
        # Set by tests that start processes of their own.
        "BASE_URL": env("PAYRAM_BASE_URL", default="http://127.0.0.1:9"),
        "API_KEY": env("PAYRAM_API_KEY", default="00112233445566778899aabbccddeeff"),
    },
}
ORDER_KEY = "int"

SURROUNDINGS = chosen(env.str("SURROUNDINGS", ""))
surround(globals(), SURROUNDINGS)

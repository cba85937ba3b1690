"""Settings of the shop; what the stage decides comes from the environment."""

from __future__ import annotations

import datetime as dt

import environ
import time_machine

env = environ.Env()

if offset := env.float("CLOCK_OFFSET_SECONDS", default=0):
    # This process lives at another time; the clock that only counts up is right, as where a machine's time was set.
    wrong = dt.datetime.now(tz=dt.timezone.utc) + dt.timedelta(seconds=offset)
    time_machine.travel(wrong, tick=True).start()

SECRET_KEY = "only for benchmarks"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
USE_TZ = True
LANGUAGE_CODE = "en-us"

DATABASES = {"default": env.db("DATABASE_URL", default="sqlite://:memory:")}
# As Django's documentation advises for long-lived workers; the check finds out that PostgreSQL was restarted.
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = env.bool("CONN_HEALTH_CHECKS", default=True)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_payram",
    "benchmarks.shop",
    *env.list("EXTRA_APPS", default=[]),
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
ROOT_URLCONF = "benchmarks.shop.urls"
STATIC_URL = "/static/"

PAYRAM = {
    "default": {
        "BASE_URL": env.str("PAYRAM_BASE_URL", default="http://127.0.0.1:9"),
        "API_KEY": env.str("PAYRAM_API_KEY", default="62656e63686d61726b732d6b65792d31"),
        "TIMEOUT": (env.float("PAYRAM_CONNECT_TIMEOUT", default=5), env.float("PAYRAM_READ_TIMEOUT", default=15)),
        "DEADLINE": env.float("PAYRAM_DEADLINE", default=30),
    },
}

# What goes wrong is written to the server's log, tracebacks of answers with 500 included.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}

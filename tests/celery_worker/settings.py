"""The suite's settings in a worker process: its database and broker, and the pretend PayRam of the test."""

from __future__ import annotations

import environ

from tests.settings import *  # noqa: F403 - the same shop

env = environ.Env()

DATABASES["default"]["NAME"] = env.str("WORKER_DATABASE")  # noqa: F405
PAYRAM = {"default": {"BASE_URL": env.str("WORKER_PAYRAM"), "API_KEY": env.str("WORKER_PAYRAM_KEY")}}

CELERY_BROKER_URL = env.str("WORKER_BROKER")
CELERY_BROKER_TRANSPORT_OPTIONS = env.json("WORKER_BROKER_OPTIONS")
CELERY_TASK_DEFAULT_QUEUE = env.str("WORKER_QUEUE")
CELERY_TASK_IGNORE_RESULT = True
# Nobody talks to these workers but through their queue.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE = env.json("WORKER_BEAT_SCHEDULE", default={})

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # As in the example shop: writers queue up instead of failing.
    DATABASES["default"]["OPTIONS"] = {  # noqa: F405
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL;",
    }

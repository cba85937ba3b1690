"""The test shop's Celery, as a worker process of its own: ``celery -A tests.celery_worker worker``."""

"""The app for django-oscar in a real Oscar, set up as docs/oscar.rst says: ``tox -e oscar``."""

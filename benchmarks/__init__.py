"""Measurements and trials of django_payram on real servers: gunicorn, PostgreSQL, and a pretend PayRam."""

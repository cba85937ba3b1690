"""A small shop that uses django_payram as its documentation says, and nothing else of it."""

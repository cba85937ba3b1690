"""Apps that plug django_payram into shop software. Nothing else of the package imports them."""

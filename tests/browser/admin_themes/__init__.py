"""The example shop with other looks of Django's admin: one module of settings for each."""

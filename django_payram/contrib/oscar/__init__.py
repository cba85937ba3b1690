"""django-oscar: customers pay through PayRam once their order is placed, and Oscar's own records say what came."""

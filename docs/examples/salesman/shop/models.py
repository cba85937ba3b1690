from django.db import models


class Product(models.Model):
    """Something to sell, as Salesman wants it."""

    name = models.CharField(max_length=100)
    code = models.SlugField()
    price = models.DecimalField(max_digits=9, decimal_places=2)

    def get_price(self, request):
        return self.price

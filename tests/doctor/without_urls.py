"""The URLs of a shop that has forgotten to include django_payram's."""

urlpatterns = []

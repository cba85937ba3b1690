"""What is erased here stays in the copies of other apps, until the shop does what the documentation says."""

from __future__ import annotations

from pathlib import Path

from auditlog.models import LogEntry
from cacheops import invalidate_model
from django.core.management import call_command

from django_payram.models import Payment

PAGE = Path(__file__).parents[2] / "docs" / "personal_data.rst"
RECIPE = PAGE.read_text().split("   :name: copies of other apps\n\n")[1]


def test_the_recipe_of_the_documentation_erases_all_copies(payram, payment):
    email = payment.customer_email
    payram.pay(payment)

    def found():
        return (
            Payment.objects.filter(pk=payment.pk, customer_email=email).count(),
            Payment.history.filter(customer_email=email).count(),
            LogEntry.objects.filter(changes__icontains=email).count(),
        )

    before = found()
    assert all(before)
    call_command("payram_prune", customer=email, erase=True)
    assert found() == before
    lines = [line.strip() for line in RECIPE.splitlines() if line.startswith("   ")]
    assert len(lines) == 3
    exec(
        "\n".join(lines),
        {"Payment": Payment, "LogEntry": LogEntry, "invalidate_model": invalidate_model, "email": email},
    )
    assert found() == (0, 0, 0)

"""A process that asks about so many payments and says how much memory it needed at most.

python -m benchmarks.resync_memory 20000
"""

from __future__ import annotations

import json
import resource
import sys

import django


def main() -> None:
    """Ask, and print the figures."""
    django.setup()
    from django_payram.models import Payment  # noqa: PLC0415 - Django is set up only now
    from django_payram.polling import worker  # noqa: PLC0415

    summary = worker.Summary()
    for _asked in worker.run(Payment.objects.all(), limit=int(sys.argv[1]), summary=summary):
        pass
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"asked": summary.asked, "failed": summary.failed, "megabytes": megabytes}))


if __name__ == "__main__":
    main()

"""A day in which everything goes wrong: customers, webhooks, PayRam, PostgreSQL, clocks and the shop's own processes.

    python -m benchmarks.chaos --payments 20000 --seed 1

At its end every order of two shops is compared with PayRam's truth. The package is also an app of the shop, whose
receivers fail at times.
"""

FAILING = "CHAOS_FAILING"
"""The variable that names the file: while it is there, the receivers fail."""

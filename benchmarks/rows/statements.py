"""The SQL that makes orders, payments and events in bulk: each payment's fate is drawn from its number."""

from __future__ import annotations

from benchmarks.rows.facts import CENTS_SQL, CUSTOMER_SQL, LATEST, REFERENCE_SQL

PER_DAY = 5000
"""Payments a day: a million of them are 200 days, and 2,000 links are open at any time."""

# Out of a thousand payments: (up to, fate). On the day when the link was made, and later.
YOUNG = ((400, "OPEN"), (420, "CONFIRMING"), (430, "PART"), (915, "FILLED"), (930, "OVER_FILLED"), (1000, "CANCELED"))
OLD = ((10, "FAILED"), (180, "CANCELED"), (190, "CLOSED_PART"), (205, "OVER_FILLED"), (1000, "FILLED"))


def _draw(table: tuple[tuple[int, str], ...]) -> str:
    whens = " ".join(f"WHEN chance < {upto} THEN '{fate}'" for upto, fate in table)
    return f"CASE {whens} END"


# One line per payment: its number, when it was made, and what became of it when. Not materialized, every use of a
# column would compute it anew, and what it is computed from.
FATES = f"""
WITH numbered AS MATERIALIZED (
    SELECT n, now() - n * interval '1 day' / {PER_DAY} AS created_at,
           mod(('x' || substr(md5('fate' || n), 1, 6))::bit(24)::int, 1000) AS chance
      FROM generate_series(%(last)s::bigint, %(first)s::bigint, -1) AS n
), drawn AS MATERIALIZED (
    SELECT *, CASE WHEN created_at > now() - interval '1 day' THEN {_draw(YOUNG)} ELSE {_draw(OLD)} END AS fate
      FROM numbered
), fates AS MATERIALIZED (
    SELECT *,
           CASE WHEN fate = 'CONFIRMING' THEN 'OPEN' WHEN fate IN ('PART', 'CLOSED_PART') THEN 'PARTIALLY_FILLED'
                ELSE fate END AS state,
           fate IN ('FILLED', 'OVER_FILLED') AS paid,
           fate IN ('OPEN', 'CONFIRMING', 'PART') AS live,
           fate IN ('CANCELED', 'CLOSED_PART') AS dead,
           {CENTS_SQL} / 100.0 AS amount,
           {REFERENCE_SQL} AS reference,
           'buyer' || mod(n, 300000) || '@example.org' AS email,
           CASE WHEN fate IN ('OPEN', 'FAILED') THEN created_at
                ELSE LEAST(created_at + (now() - created_at) * (chance / 1000.0), created_at + interval '1 day')
                END AS moved_at
      FROM drawn
)
"""

# As django_payram.payments.schedule has it: the next checks are spread evenly over the tier's interval.
NEXT_CHECK = """
CASE
    WHEN live THEN now() + interval '1 minute' * (chance / 430.0)
    WHEN dead AND moved_at > now() - interval '7 days' THEN now() + interval '1 hour' * (chance / 1000.0)
    WHEN dead AND moved_at > now() - interval '180 days' THEN now() + interval '1 day' * (chance / 1000.0)
    WHEN paid AND moved_at > now() - interval '1 hour' THEN moved_at + interval '1 hour'
END
"""

ORDERS = f"""{FATES}
INSERT INTO floors_order (id, total, email, status)
SELECT n, amount, email, CASE WHEN paid THEN 'paid' ELSE 'new' END FROM fates
"""

LEAN_PAYMENTS = f"""{FATES}
INSERT INTO floors_leanpayment (id, order_id, reference, amount_usd, filled_usd, state, url, created_at, updated_at)
SELECT {LATEST} - n, n, reference, amount, CASE WHEN paid THEN amount END, state,
       'https://pay.example.com/payments?reference_id=' || reference, created_at, moved_at
  FROM fates
"""

LEAN_EVENTS = """
INSERT INTO floors_leanevent (payment_id, payload, created_at)
SELECT id, '{"reference_id": "' || reference || '", "status": "FILLED"}', updated_at
  FROM floors_leanpayment WHERE filled_usd IS NOT NULL AND id BETWEEN %(low)s AND %(high)s ORDER BY id
"""

PAYMENTS = f"""{FATES}
INSERT INTO django_payram_payment (
    id, token, project, reference,
    order_type_id, order_id, live_slot, customer_id, customer_email, amount_usd,
    state, notified_state,
    filled_usd, filled_amount, topped_up_usd,
    currency, blockchain, deposit_address,
    explorer_url,
    confirmations,
    confirmations_required,
    url,
    review, reviews_raised, review_settled, amount_disputed, paid_second, order_gone, unknown_words,
    checks, denials, undelivered, delivery_attempts, next_delivery_at, announce_error,
    metadata, created_at, updated_at, paid_at, closed_at,
    checked_at, next_check_at
)
SELECT {LATEST} - n, md5('token' || n)::uuid, 'default', CASE WHEN fate <> 'FAILED' THEN reference END,
       %(order_type)s, n::text, CASE WHEN live THEN %(order_type)s || ':' || n END, {CUSTOMER_SQL}, email, amount,
       state, state,
       CASE WHEN paid THEN amount WHEN moving THEN round(amount / 2, 2) END, CASE WHEN paid THEN amount / 2500 END, 0,
       coin, coin, CASE WHEN coin <> '' THEN '0x' || md5('to' || n) || left(md5(n::text), 8) ELSE '' END,
       CASE WHEN paid THEN 'https://etherscan.example/tx/0x' || md5('tx' || n) || md5('hash' || n) ELSE '' END,
       CASE WHEN paid THEN 12 WHEN fate = 'CONFIRMING' THEN 3 END,
       CASE WHEN paid OR fate = 'CONFIRMING' THEN 12 END,
       CASE WHEN fate <> 'FAILED' THEN 'https://pay.example.com/payments?reference_id=' || reference ELSE '' END,
       CASE WHEN fate = 'CLOSED_PART' AND created_at > now() - interval '30 days' THEN 'partial' ELSE '' END,
       CASE WHEN fate = 'CLOSED_PART' THEN '["partial"]' ELSE '[]' END::jsonb, false, false, false, false, '[]',
       0, 0, CASE WHEN broken THEN '["payment_paid"]' ELSE '[]' END::jsonb,
       CASE WHEN broken THEN 1 ELSE 0 END, CASE WHEN broken THEN moved_at END,
       CASE WHEN broken THEN 'payment_paid: ValueError: The order is gone.' ELSE '' END,
       '{{}}', created_at, moved_at, CASE WHEN paid THEN moved_at END, CASE WHEN paid OR dead THEN moved_at END,
       CASE WHEN fate <> 'FAILED' THEN GREATEST(moved_at, now() - interval '1 minute') END, {NEXT_CHECK}
  FROM fates, LATERAL (SELECT state = 'PARTIALLY_FILLED' AS moving,
                              paid AND mod(n, 50000) = 11 AS broken,
                              CASE WHEN fate IN ('OPEN', 'FAILED', 'CANCELED') THEN '' ELSE 'ETH' END AS coin) AS more
"""

EVENTS = f"""{FATES}
INSERT INTO django_payram_paymentevent (
    payment_id, project, reference,
    source,
    outcome, state_before, state_after,
    customer_id, payload,
    error, note, actor, created_at, retries
)
SELECT {LATEST} - n, 'default', CASE WHEN fate <> 'FAILED' THEN reference ELSE '' END,
       CASE WHEN place = 1 THEN 'checkout' WHEN mod(chance, 10) = 0 THEN 'resync' ELSE 'webhook' END,
       outcome, CASE place WHEN 1 THEN 'CREATING' WHEN 2 THEN 'OPEN' ELSE state END,
       CASE WHEN outcome = 'created' THEN 'OPEN' ELSE state END,
       '', CASE WHEN place = 2 AND mod(chance, 10) > 0 THEN
           jsonb_build_object('reference_id', reference, 'invoice_id', md5('token' || n)::uuid,
                              'status', state, 'amount', amount::text, 'currency', 'USD')
       END,
       CASE WHEN outcome = 'refused' THEN 'PayRam refused the call.' ELSE '' END,
       CASE WHEN outcome = 'review' THEN 'partial' ELSE '' END, '',
       CASE place WHEN 1 THEN created_at ELSE moved_at END, 0
  FROM fates, LATERAL (VALUES
           (1, CASE fate WHEN 'FAILED' THEN 'refused' ELSE 'created' END),
           (2, CASE WHEN fate NOT IN ('OPEN', 'FAILED') THEN 'recorded' END),
           (3, CASE WHEN paid THEN 'paid' WHEN fate = 'CANCELED' THEN 'canceled' WHEN dead THEN 'review' END)
       ) AS line(place, outcome)
 WHERE outcome IS NOT NULL
 ORDER BY n DESC, place
"""

HISTORY = (ORDERS, LEAN_PAYMENTS, LEAN_EVENTS, PAYMENTS, EVENTS)

NUMBERS = f"""
WITH numbers AS (
    SELECT n, {CENTS_SQL} / 100.0 AS amount, {REFERENCE_SQL} AS reference
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
)
"""
OPENED = (
    f"""{NUMBERS}
    INSERT INTO floors_order (id, total, email, status) SELECT n, amount, 'buyer@example.org', 'new' FROM numbers
    """,
    f"""{NUMBERS}
    INSERT INTO floors_leanpayment (id, order_id, reference, amount_usd, state, url, created_at, updated_at)
    SELECT n, n, reference, amount, 'OPEN', 'https://pay.example.com/payments?reference_id=' || reference, now(), now()
      FROM numbers
    """,
    f"""{NUMBERS}
    INSERT INTO django_payram_payment (
        id, token, project, reference, order_type_id, order_id, live_slot, customer_id,
        customer_email, amount_usd, state, notified_state, topped_up_usd, currency, blockchain, deposit_address,
        explorer_url, url, review, reviews_raised, review_settled, amount_disputed, paid_second, order_gone,
        unknown_words, checks, denials, undelivered, delivery_attempts, announce_error,
        metadata, created_at, updated_at, checked_at, next_check_at
    )
    SELECT n, md5('token' || n)::uuid, 'default', reference, %(order_type)s, n::text,
           %(order_type)s || ':' || n, {CUSTOMER_SQL},
           'buyer@example.org', amount, 'OPEN', 'OPEN', 0, '', '', '',
           '', 'https://pay.example.com/payments?reference_id=' || reference, '', '[]', false, false, false, false,
           '[]', 0, 0, '[]', 0, '',
           '{{}}', now(), now(), now(), now() + %(wait)s::interval
      FROM numbers
    """,
)

# Indexes that are no constraint.
INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
 WHERE tablename = %s AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""

-- Whether the money balances: what is held must be what live jobs hold, what was charged what jobs cost.
SELECT
    ledger.held,
    live.held AS held_by_live_jobs,
    ledger.charged,
    used.charged AS charged_to_users,
    ledger.held = live.held AND ledger.charged = used.charged AS balances
FROM (SELECT coalesce(sum(held), 0) AS held, coalesce(sum(charged), 0) AS charged FROM vsl.ledger_entries) ledger
CROSS JOIN (SELECT coalesce(sum(held), 0) AS held FROM vsl.dispatch) live
CROSS JOIN (SELECT coalesce(sum(actual_cost), 0) AS charged FROM usage_tracking WHERE run IS NOT NULL) used;

"""What the reference says and code cannot know: what `--json` of each verb holds, what headers mean."""

from __future__ import annotations

_RUN_KEYS = (
    "run, kind, state, created, out, deadline, estimate{prompt_tokens, output_tokens, calls_usd, batches_usd, worst_usd}, "
    "jobs, succeeded, failed{cause: n}, left{state: n}, cost_usd, baseline_usd, saved_usd, levers{id: usd}, prompt_tokens, "
    "read_tokens, cache_hit_share, batches[{batch, remote, role, state, jobs, created, ended, note}]"
)
_REPORT_KEYS = (
    "calls, baseline_usd, paid_usd, saved_usd, levers{id: usd}, by_model[{model, calls, baseline_usd, paid_usd, "
    "saved_usd}], by_key[{key, …}], by_outcome[{outcome, …}], gross_usd, net_usd, holdout{conversations{treated, holdout}, "
    "saving, low, high, books_gross, books_net, lot_is_fair, baseline_shift{low, high}, calls_shift{low, high}}, "
    "trial{as holdout}, "
    "estimated_calls, open_holds, kept_from, whole_hours, others, since, until"
)
_ARM_KEYS = (
    "arm, items, ungraded, quality, quality_low, quality_high, cost_usd, paid_usd, latency_ms_p50, latency_ms_p90, "
    "output_tokens, truncated, refused, modes[]"
)
_JUDGING_KEYS = (
    "kinds{judge: n}, cost_usd, pairs, shown_first{value, low, high}, swayed_by_order, human_answers, "
    "human_agreement{value, low, high}, human_kappa"
)
_KEY_KEYS = (
    "id, name, state, user, team, org, role, scopes[], models[], tasks[], tags[], tags_allowed[], priority, created, "
    "expires, rotated, revoked, last_used"
)
_TEAM_KEYS = "id, name, org, created, removed"
_USER_KEYS = "id, name, org, team, email, role, created, removed"
KEYS: dict[str, str] = {
    **dict.fromkeys(("keys create", "keys rotate"), f"{_KEY_KEYS}, secret"),
    **dict.fromkeys(("keys revoke", "keys expire"), _KEY_KEYS),
    "providers": "targets[{name, provider, url, order, weight, place, models[{model, there, input_usd, write_5m_usd, "
    "write_1h_usd, read_usd, output_usd (per million tokens) or unpriced}], health{ok, latency_ms, asked, status, kind, "
    "detail} with --live}], providers[{name, source, claude, marks, automatic, ttls[], batches, counts, betas, "
    "betas_heard[], betas_needless[], fast, fast_models[], geo, refuses[], tools_refused[], body_bytes_max}]",
    "keys list": f"keys[{{{_KEY_KEYS}}}]",
    "keys show": f"{_KEY_KEYS}, history[{{id, at, who, via, action, subject, detail}}]",
    "keys audit": "audit[{id, at, who, via, action, subject, detail}]",
    "keys reseal": "provider_keys, master_key_in",
    **dict.fromkeys(("keys provider add", "keys provider remove"), "id, name, provider, created, removed"),
    "keys provider list": "provider_keys[{id, name, provider, created, removed}]",
    **dict.fromkeys(("teams add", "teams remove"), _TEAM_KEYS),
    **dict.fromkeys(("teams org add", "teams org remove"), "id, name, created, removed"),
    **dict.fromkeys(("teams user add", "teams user remove"), _USER_KEYS),
    "teams list": f"orgs[{{id, …}}], teams[{{{_TEAM_KEYS}}}], users[{{{_USER_KEYS}}}]",
    "demo": "baseline_usd, paid_usd, saved_usd, levers{id: usd}, calls, workloads[{name, calls, baseline_usd, paid_usd, "
    "saved_usd, levers{id: usd}, explain}], proof{ok, booked_usd, billed_usd, complaints[]}, simulated, "
    "simulated_span_s, ledger",
    "price": "cost_usd, lines[{kind, model, tokens, usd_per_mtok, usd}], price_book",
    "count": "tokens, method, low, high, model, model_known",
    "audit": "calls, duplicates, skipped{reason: n}, skipped_examples{reason: places}, unpriced[{model, calls, tokens, "
    "reason}], first, last, months, depth, price_book, cost_usd, low_usd, high_usd, baseline_usd, reported_usd, "
    "tokens{input, write_5m, write_1h, read, output}, costs{input_usd, …, fees_usd}, by_model[{model, calls, cost_usd, "
    "low_usd, high_usd, tokens{}, costs{}, baseline_usd, note}], by_key[{key, …}], by_project[{project, …}], "
    "by_session[{session, …}], sessions, days[{day, model, calls, cost_usd, tokens{}, costs{}}], gaps[{from_s, until_s, "
    "calls, tokens}], replay{calls, observed_usd, replayed_usd, differing_calls}, books{calls, baseline_usd, paid_usd, "
    "claimed{lever: usd}, replayed{lever: usd}}, policies[{name, family, title, calls, cost_usd, low_usd, high_usd, "
    "saved_usd, saved_low_usd, saved_high_usd, levers{id: usd}, safe, note}], misses[{cause, calls, tokens, cost_usd, "
    "avoidable_usd, example}], actions[{text, saved_usd_month, low_usd, high_usd, effort, risk, config, why}], "
    "levers[{id, judged, needs, reason}], sources[{format, title, files, bytes, records, depth, input_includes_cache, "
    "cannot_know[], first, last}], notes[]",
    "calc": "requests, before_usd, after_usd, saved_usd, saved_percent, low_usd, high_usd, steps[{step, text, cost_usd, "
    "saved_usd, saved_percent, low_usd, high_usd}], by_model[{model, requests, cost_usd}], price_book, assumptions[]",
    "reconcile": "reconciled, ours_usd, billed_usd, difference_usd, explained_usd, unexplained_usd, tolerance_usd, "
    "days[{day, ours_usd, billed_usd, difference_usd, unexplained_usd}], causes[{cause, usd, text, rows, days[]}], "
    "unexplained[{day, model, workspace, mode, geo, token_type, usd, text}], rows[{day, model, workspace, mode, geo, "
    "token_type, tokens, reported_tokens, ours_usd, billed_usd, difference_usd, unexplained_usd, cause}], unpriced[], "
    "outside{days[], ours_usd}, price_book, notes[]",
    "report": _REPORT_KEYS,
    "savings": f"{_REPORT_KEYS}, own_usd, own[{{endpoint, calls, paid_usd}}]",
    "calibrate": "artefact, file, why, promise{target, confidence, mode, of}, strong, cheap, kind, "
    "saving{share, low, high}, evidence{examples, strong_right, losses, wins, p, test, data}, examples, least_examples, "
    "accuracy{arm: share}, highest_target, stays{arm: share}, tasks[{arm, task, examples, losses, wins, p, certified}], "
    "families[{arm, kind, certified, points[{share, losses, wins, quality, p, saving}]}], more[{examples, saving}], "
    "alarm{limit, rate, audits_median, audits_most, calls_median, calls_most}",
    "route explain": "asked, served, task, kind, prompt_tokens, plan[{lever, decision, reason, forecast_usd}], asked_usd, "
    "forecast_usd",
    "route tasks": "tasks[{task, asked, served, calls, baseline_usd, paid_usd, output_tokens, latency_ms}]",
    "reuse stats": "path, answers, bytes, oldest, newest",
    "reuse clear": "cleared",
    "reuse report": "at, scopes[{task, tenant, model, state, max_error, confidence, calls, hits, audits, wrong, low, high, "
    "alarms, items, stages, watched, needed, certificates[{limit, level, cut, hits, wrong, samples, p, at}]}]",
    "explain": "id, plan[{lever, decision, reason, forecast_usd}], forecast_usd, baseline_usd, cost_usd, "
    "saved_usd, usage{}, miss{}, postings[{account, amount_usd}], postings_sum_usd, lines[{kind, model, "
    "tokens, usd_per_mtok, usd}], lines_sum_usd, price_book, lines_price_book, remarks[], outcome, "
    "resolution, note, model, asked_model, served_model, provider, endpoint, key, task, parent, conversation, arm, "
    "propensity, mode, geo, stream, status, stop_reason, "
    "message_id, upstream_request_id, attempts, opened, settled, ttfb_ms, latency_ms",
    "cache report": "calls, prompt_tokens, read_tokens, write_5m_tokens, write_1h_tokens, plain_tokens, hit_share, "
    "saved_usd, missed_usd, avoidable_usd, misses[{cause, calls, tokens, cost_usd, avoidable_usd, avoidable, advice}], "
    "by_model[{model, calls, prompt_tokens, read_tokens, write_5m_tokens, write_1h_tokens, plain_tokens, hit_share, "
    "missed_usd}], by_key[{key, …}], unpriced_prompt_tokens, since, until",
    "cache doctor": "requests, unreadable{reason: n}, apps[{key, model, since, requests, unanalysed, tokens, tokens_shared, "
    "tokens_shared_stabilised, changed, left_alone{reason: n}, breaks[{cause, where, pattern, at_block, offset_chars, "
    "count, tokens_lost, fix, switch, last}]}]",
    "alerts list": "alerts[{id, state, severity, kind, rule, sentence, labels[], evidence[], action, per_hour_usd, "
    "signature, since, opened, seen, closed, told, count, flaps, acknowledged_by}], silences[{id, matchers[], until, "
    "made, by, why}], dead_letters[{alert, sentence, sink, why, state, message, tries, made, next, sent, error}]",
    "alerts rules": "rules[{name, kind, of, where[], by, over_s, above, below, factor, least, window, zone, calls_min, "
    "severity, action, source, made_by, made, now[{member, met, value, bound, sentence, evidence[], lacks}]}]",
    "alerts test": "ok, sinks[{sink, ok, error}]",
    "doctor": "ok, checks[{name, ok, detail, fix}]",
    **dict.fromkeys(("batch run", "batch resume", "batch status", "batch cancel"), _RUN_KEYS),
    "batch list": "jobs, succeeded, failed{cause: n}, cost_usd, saved_usd, batches[{batch, …}], runs[{run, …}]",
    "batch results": f"{_RUN_KEYS}, results[{{custom_id, result{{}}}}]",
    "eval run": "state, set, results, mode, items, repeats, estimate{calls, prompt_tokens, output_tokens, cost_usd, "
    "judging_usd, verifying_usd, worst_usd}, calls, cached, recorded, failed{reason: n}, ungraded{reason: n}, fell_short, "
    f"cost_usd, judging_usd, verifying_usd, arms[{{{_ARM_KEYS}}}], judging{{{_JUDGING_KEYS}}}, notes[]",
    "prune": "state, prompt, model, tokens_before, tokens_after, tokens_method, calls_per_month, saved_usd_month, "
    "saved_cached_usd_month, score_before, score_after, low, p, margin, confidence, cases{search, heldout, independent, "
    "needed}, removed[{section, kind, line, tokens, effect, cases, reason}], kept[{section, …}], chance, prompts, calls, "
    "cached, spent_usd, budget_usd, stopped, confirmed, why, written, copy, after, diff, ungraded{reason: n}, notes[]",
    "eval report": f"results, items, arms[{{{_ARM_KEYS}}}], tasks[{{task, items, arms[]}}], judging{{{_JUDGING_KEYS}}}, "
    "ungraded{reason: n}, fell_short, confidence",
    "eval compare": "results, a, b, items, quality{a, b, items, difference{value, low, high}}, wins, losses, ties, p, test, "
    "verdict, cost{items, a_usd, b_usd, difference_usd, low_usd, high_usd}, cost_ratio{value, low, high}, "
    "latency_ms{a, b, items, difference{value, low, high}}, confidence, seed",
}
"""What the JSON of a verb holds. tests/test_docs.py holds each against a real run."""

REQUEST_HEADERS = {
    "thriftgate-max-cost-usd": "The most this call may cost in the worst case, as a decimal amount. Above it "
    "`count.guard` refuses the call (or warns, by `policy.on_cost_limit`). The lower of this and "
    "`policy.cost_limit_usd` holds.",
    "thriftgate-deadline": "The answer is wanted by then: a length of time (`90m`, `6h`, `2d`) or an RFC 3339 time. Leave "
    "to wait, not an order: see [deadlines](../guides/batches.md#calls-that-can-wait).",
    "thriftgate-wait": "`true`: hold the connection, and answer like any call; `false`: answer 202 with a ticket, which is "
    "what a `thriftgate-deadline` alone does.",
    "thriftgate-webhook": "A URL to be told when there is an answer; one that `batch.webhooks` allows. See "
    "[webhooks](../guides/batches.md#webhooks).",
    "thriftgate-task": "What kind of call this is, in a word of yours: what `[[routing.rules]]`, artefacts and reports know "
    "it by, in place of its fingerprint. `[[batch.rules]]` can let some kinds wait.",
    "thriftgate-tenant": "On whose behalf you make this call, in a word of yours, for `[[routing.rules]]`.",
    "thriftgate-tags": "Tags of the call, separated by commas, such as `env=prod, eu`, beside those of its key. Budgets, "
    "limits and reports can go by them. Sixteen at most, each of at most 100 characters.",
    "thriftgate-user": "The end user that this call is for, in a word of yours, in place of the key's own user. A virtual "
    "key needs the scope `act-as` for it.",
    "thriftgate-run": "A name for an agent's run: all its calls count together towards the ceilings of `[guard]`.",
    "thriftgate-reuse": "`off`: this call is made, and its answer is not kept; `refresh`: it is made, and its answer takes "
    "the place of one that is kept; `only-if-cached`: an earlier answer or none, a 504 that costs nothing. See "
    "[reuse](../guides/reuse.md).",
    "thriftgate-route": "`off`: the model that this call names serves it, whatever the rules say.",
    "thriftgate-idempotency-key": "A name for a call with a deadline: the same call sent again under it is given the same "
    "job, and not made twice.",
    "thriftgate-latency": "`critical`: this call never waits for another one that is writing its prefix; see [the fan-out "
    "guard](../guides/keepalive.md#the-fan-out-guard).",
    "thriftgate-priority": "`high`, `normal` or `low`: who goes first where calls wait for [the provider's "
    "limits](../guides/limits.md#the-providers-own-limits).",
    "thriftgate-queue-s": "How many seconds this call may wait for them, in place of `governor.queue_s_max`.",
}
REPLY_HEADERS = {
    "thriftgate-request-id": "The call's id in the ledger: `thriftgate explain ID`. Also on errors that thriftgate itself "
    "made, where a call was booked.",
    "thriftgate-target": "The target, or key of the gateway's own, that has answered.",
    "thriftgate-tried": "The targets at which the call was tried in vain before.",
    "thriftgate-check": "Of `/thriftgate/stream-check` alone: shows `thriftgate doctor --gateway` that headers get through.",
    "thriftgate-plan": "The levers that were applied, separated by commas, or `none`.",
    "thriftgate-budget": "How the budget stands that is nearest to its limit, of those that the call counts under, with "
    "this call held: name, limit, spent (with what is in doubt), left (USD), percent used, the stage that is reached, and "
    "when its window ends.",
    "thriftgate-limit": "How the limit stands of which the most is used, of those that the call counts under, with this "
    "call in it: name, metric, limit, what remains, and when nothing of it will be used if no more comes. On a 429 of "
    "thriftgate's own: the limit that is in the way. The provider's own limits are in its `anthropic-ratelimit-…` headers.",
    "thriftgate-forecast-usd": "What the call was expected to cost when it was planned. An estimate.",
    "thriftgate-cost-usd": "What the call cost, exactly. Not on streams: their usage stands at their end, when the headers "
    "are long gone; ask the ledger.",
    "thriftgate-saved-usd": "Baseline minus cost; negative when a cache entry was written that has not been read yet. Not "
    "on streams.",
    "thriftgate-warning": "What you should know: a limit that is passed but only warned of, an agent that seems to be in a "
    "loop, an answer that breaks its schema.",
    "thriftgate-usage-source": "`exact` (the provider's final word), `estimated` (an answer that broke off) or `none` "
    "(nothing was used). Not on streams.",
    "thriftgate-reused-call": "On an earlier answer that was given again: the call in the ledger that it was made for. "
    "`age` tells how many seconds ago.",
    "thriftgate-reused-usage": "On such an answer: the usage of that call, as JSON. The `usage` in the answer is that of "
    "this call: nothing.",
    "thriftgate-job": "The job that was made of a call with a deadline: `GET /thriftgate/jobs/ID` tells what became of it.",
    "thriftgate-batch": "On the answer to a client's own `POST /v1/messages/batches`: the batch's id in the ledger.",
    "thriftgate-deferred": "On a call that could have waited and was made at once: `no;` and why.",
    "thriftgate-not-carried": "On a call in one of OpenAI's dialects: the fields that Claude cannot be told, and why; see "
    '[the table](openai.md). With `openai.not_carried = "refuse"` such a call is refused instead.',
    "thriftgate-error": "On an error that thriftgate made and the provider did not: which one, see [errors](errors.md).",
}


SIZES = {
    "seed": "which of them strike",
    "latency_s": "seconds of `latency`",
    "drip_s": "seconds of `slow_drip`",
    "retry_after_s": "seconds that `rate_limit` and `batch_poll_limited` name",
    "batch_slow_factor": "see `batch_slow`",
    "storm_every_s": "seconds from one storm to the next; 0 is none",
    "max_requests": "of one batch; more are a 400",
    "max_bytes": "of one batch; more are a 413",
}
"""Fields of the simulator's tables that say nothing for themselves."""

UNFORESEEN = "Something went wrong that nobody foresaw; the log of the gateway tells more."

"""Names of attributes and instruments, copied as they stand so that nothing is renamed under our users by an upgrade.

`gen_ai.*`: the GenAI semantic conventions, status Development: github.com/open-telemetry/semantic-conventions-genai
(docs/gen-ai/anthropic.md, gen-ai-spans.md, gen-ai-metrics.md; 2026-11) and opentelemetry-semantic-conventions 0.66b2
(2026-10-29), which agree on all that is used here. Input tokens include those read from the cache and written to it. HTTP
and the rest: semantic conventions 1.42. What they have no name for (cost, savings, levers, the lives of cache writes) is
ours.
"""

from __future__ import annotations

OPERATION = "gen_ai.operation.name"
CHAT = "chat"
PROVIDER = "gen_ai.provider.name"
CONVERSATION = "gen_ai.conversation.id"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
FINISH_REASONS = "gen_ai.response.finish_reasons"
FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_CREATION_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105  tokens of a language model

ERROR_TYPE = "error.type"
SERVER_ADDRESS, SERVER_PORT = "server.address", "server.port"
METHOD, ROUTE, STATUS_CODE = "http.request.method", "http.route", "http.response.status_code"

OPERATION_DURATION = "gen_ai.client.operation.duration"
TIME_TO_FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"
TOKEN_USAGE = "gen_ai.client.token.usage"  # noqa: S105  tokens of a language model
# The boundaries that the conventions ask for: seconds and tokens.
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = tuple(float(4**power) for power in range(14))

CALL_ID = "thriftgate.call.id"
KEY = "thriftgate.key"
TEAM, ORG, TASK = "thriftgate.team", "thriftgate.org", "thriftgate.task"
PARENT = "thriftgate.call.parent"
ENDPOINT = "thriftgate.endpoint"
OUTCOME = "thriftgate.outcome"
USAGE_SOURCE = "thriftgate.usage_source"
ATTEMPTS = "thriftgate.attempts"
STATUS = "thriftgate.upstream.status"
ASKED_MODEL = "thriftgate.asked_model"
COST_USD, COST_PICO = "thriftgate.cost_usd", "thriftgate.cost_pico_usd"
BASELINE_PICO = "thriftgate.baseline_pico_usd"
SAVED_USD, SAVED_PICO = "thriftgate.saved_usd", "thriftgate.saved_pico_usd"
LEVERS = "thriftgate.levers"
LEVER = "thriftgate.lever"
SAVED_BY = "thriftgate.saved_pico_usd."
CREATION_5M_TOKENS = "thriftgate.usage.cache_creation_5m.input_tokens"
CREATION_1H_TOKENS = "thriftgate.usage.cache_creation_1h.input_tokens"
MISS_CAUSE, MISS_TOKENS = "thriftgate.cache_miss.cause", "thriftgate.cache_miss.tokens"

COST_TOTAL, SAVED_TOTAL, CALLS_TOTAL = "thriftgate.cost", "thriftgate.saved", "thriftgate.calls"

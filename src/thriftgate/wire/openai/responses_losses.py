"""What becomes of each field of a Responses request, and of an answer (openai-python v3.54
`types/responses/response_create_params.py`)."""

from __future__ import annotations

from thriftgate.wire.openai.losses import Row

_AT_OPENAI = "runs at OpenAI"

RESPONSE_ROWS: tuple[Row, ...] = (
    Row("model", "translated", "a Claude model by its own name, or by the names of `[openai.models]`; else 404"),
    Row("input", "translated", "item by item; see the rows below"),
    Row("instructions", "carried", "the first text of `system`"),
    Row("stream", "carried", "`stream`"),
    Row("stream_options", "needless", "events are not padded"),
    Row("max_output_tokens", "translated", "`max_tokens`; above the model's most, that, and reported"),
    Row("temperature", "translated", "where the model takes it, up to 1; else left out and reported"),
    Row("top_p", "translated", "where the model takes it, and not beside a temperature; else left out and reported"),
    Row("reasoning.effort", "translated", "`output_config.effort`, with adaptive thinking; `none` turns thinking off"),
    Row("reasoning.summary", "translated", "the thinking as the provider shows it; its lengths have no counterpart"),
    Row("reasoning.generate_summary", "translated", "as `reasoning.summary`"),
    Row("reasoning.context", "reported", "the model's own rules hold", ("auto",)),
    Row("reasoning.mode", "reported", "has no counterpart", ("standard",)),
    Row("text.format", "translated", "`output_config.format`; `json_object` as an instruction at the end of the system"),
    Row("text.format.name", "needless", "Claude's formats have no name"),
    Row("text.format.description", "needless", "descriptions within the schema are carried"),
    Row("text.format.strict", "translated", "one that Claude cannot be held to: as an instruction, and reported"),
    Row("text.verbosity", "reported", "say it in the instructions", ("medium",)),
    Row("tools[].type=function", "translated", "a tool; a schema without a `type` gets one"),
    Row("tools[].strict", "translated", "`strict`, where the model and the schema allow it; else reported"),
    Row(
        "tools[].type=web_search", "translated", "Claude's own web search, with its domains, its place, and `max_tool_calls`"
    ),
    Row("tools[].type=web_search_preview", "translated", "as `web_search`"),
    Row("tools[].search_context_size", "reported", "has no counterpart", ("medium",)),
    Row("tools[].search_content_types", "reported", "texts only", (["text"],)),
    Row("tools[].external_web_access", "refused", "Claude's search is always live; leave the tool out", (True,)),
    Row("tools[].type", "refused", f"any other tool {_AT_OPENAI}, or has no counterpart; use a function"),
    Row("tool_choice", "translated", "auto, none, any, or the tool; for models that cannot be forced auto, and reported"),
    Row("tool_choice.tools", "reported", "all tools stay allowed: taking some away would break the cache"),
    Row("parallel_tool_calls", "translated", "`tool_choice.disable_parallel_tool_use`"),
    Row("max_tool_calls", "translated", "`max_uses` of the web search; reported where there is none"),
    Row("include", "translated", "sources of a search; `reasoning.encrypted_content` is always there; others are reported"),
    Row("user", "translated", "`metadata.user_id`"),
    Row("safety_identifier", "translated", "`metadata.user_id`, before `user`"),
    Row("metadata", "translated", "repeated in the response; tags for the books: header `thriftgate-tags`"),
    Row("service_tier", "translated", "default: `standard_only`; fast, priority: fast mode, where the model has it"),
    Row("service_tier=flex", "reported", "half the price is had with the header `thriftgate-deadline`"),
    Row("prompt_cache_key", "needless", "prompts are cached by what they hold"),
    Row("prompt_cache_options", "needless", "thriftgate places the breakpoints"),
    Row("prompt_cache_retention", "needless", "thriftgate chooses the lifetime"),
    Row("store", "reported", "nothing is kept: the response says `store: false`", (False,)),
    Row("truncation", "reported", "nothing is cut silently; a prompt that is too long is an error", ("disabled",)),
    Row("context_management", "reported", "see `[policy]` for what shortens a conversation", ([],)),
    Row("access_programs", "reported", "belongs to OpenAI"),
    Row("background_options", "reported", "belongs to background responses"),
    Row("image", "reported", "has no counterpart"),
    Row("top_logprobs", "refused", "Claude tells no probabilities", (0,)),
    Row("moderation", "refused", "there is no moderation model here"),
    Row(
        "background", "refused", "nothing is kept to be fetched later; leave it out, or see `thriftgate-deadline`", (False,)
    ),
    Row("conversation", "refused", "nothing is kept here; send the whole conversation in `input`"),
    Row("prompt", "refused", "there are no stored prompts here; send the text"),
    Row(
        "previous_response_id",
        "refused",
        "nothing is kept here; send the whole conversation in `input`, with the items of the earlier answers as they came",
    ),
    Row("input[].role=system", "translated", "first: `system`; later: where the model takes it so, else text of the user"),
    Row("input[].role=developer", "translated", "as `system`"),
    Row("input[].phase", "reported", "has no counterpart"),
    Row("input[].content[].input_text", "carried", "a text block; blank ones are left out, since Messages takes none"),
    Row("input[].content[].output_text", "carried", "a text block of the assistant, with the citations that Claude made"),
    Row("input[].content[].annotations", "translated", "Claude's citations as they were; others are notes, and left out"),
    Row("input[].content[].refusal", "translated", "text of the assistant"),
    Row("input[].content[].input_image", "translated", "an image block: by address, with its data, or a file at Anthropic"),
    Row("input[].content[].input_file", "translated", "a document block: PDF, text, an address, or a file at Anthropic"),
    Row("input[].content[].detail", "reported", "Claude looks at all of it", ("auto",)),
    Row("input[].content[].prompt_cache_breakpoint", "needless", "thriftgate places the breakpoints"),
    Row("input[].type=function_call", "carried", "`tool_use`; arguments byte for byte"),
    Row("input[].type=function_call_output", "translated", "`tool_result`"),
    Row("input[].type=reasoning", "carried", "the blocks of Claude's that it holds, as they were; others are reported"),
    Row("input[].type=web_search_call", "translated", "its blocks are in the reasoning item behind it; reported without"),
    Row("input[].caller", "reported", "has no counterpart", ({"type": "direct"},)),
    Row("input[].namespace", "reported", "has no counterpart"),
    Row("input[].async", "reported", "has no counterpart", (False,)),
    Row("input[].type=item_reference", "refused", "nothing is kept here that it could refer to; send the item itself"),
    Row("input[].type", "refused", f"items of any other type belong to a tool that {_AT_OPENAI}; leave them out"),
)
"""The declared table. Anything else in a request is reported by its name."""

RESPONSE_ANSWER_ROWS: tuple[Row, ...] = (
    Row("id", "translated", "`id`: `resp_` instead of `msg_`"),
    Row("model", "carried", "`model`: the Claude model that served the call"),
    Row("content[].text", "carried", "a part of a message item; texts side by side are parts of one"),
    Row("content[].text.citations", "translated", "`annotations`: `url_citation`, and beside it Claude's own `citation`"),
    Row(
        "content[].thinking", "carried", "a reasoning item: whole in `encrypted_content`, its text in `summary`, where asked"
    ),
    Row("content[].tool_use", "carried", "a function_call item; input byte for byte"),
    Row("content[].server_tool_use", "translated", "a web_search_call item, and whole in the reasoning item behind it"),
    Row("content[]", "carried", "any other block: whole in the `encrypted_content` of a reasoning item"),
    Row("stop_reason", "translated", "`status`, `incomplete_details`; a refusal is a `refusal` part of the message"),
    Row("stop_details.explanation", "translated", "the text of the `refusal`"),
    Row("stop_sequence", "reported", "Responses have no stop sequences"),
    Row("usage", "translated", "`usage`, with `cached_tokens`, `cache_write_tokens`, `reasoning_tokens`; `tool_usage`"),
    Row("usage.speed", "translated", "`service_tier`"),
    Row("container", "reported", "has no counterpart"),
    Row("context_management", "reported", "has no counterpart"),
    Row("diagnostics", "reported", "`thriftgate explain` tells of misses"),
)
"""What becomes of an answer."""

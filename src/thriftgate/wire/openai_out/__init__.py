"""Messages calls for servers that speak OpenAI's chat completions, and their answers back as Messages. Pure.

    servers.py   what is known of each server: a declared table
    losses.py    what cannot be carried there: such a call is refused for that target, not sent without it
    request.py   a Messages body -> a chat body        conversation.py, tools.py   its parts
    answer.py    a chat answer -> a message            stream.py    chunks -> Messages events
    usage.py     token counts as servers tell them     errors.py    errors in Anthropic's shape

The other direction, OpenAI's dialect for clients, is another package.
"""

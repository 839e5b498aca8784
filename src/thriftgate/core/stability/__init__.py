"""What breaks a prompt prefix between two requests of one application, and which text of a prompt is volatile by nature.

    volatile.py   dates, times and ids in a text, and lines that say nothing else
    breaks.py     two requests -> where and why their prefix parts: `Break`
    watch.py      the same over traffic, bounded in memory and time: `StabilityWatch`
    rewrite.py    `stabilise`: the request with what breaks its prefix mended, where the policy allows it
    system.py     the same for the system prompt

Prompts are private: no `Break` and no report holds a piece of one. May import: core only.
"""

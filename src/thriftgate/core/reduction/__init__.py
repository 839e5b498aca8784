"""Fewer tokens in prompts: what is taken out of them before they are planned.

    recipe.py      what a policy allows, and what a conversation that has begun with it keeps to
    pieces.py      the texts of a request, by message: what a rewrite is given
    rewrites.py    the rewrites by lever: json_text, tables, markup, plain_text, examples, select, images, trim
    rewriting.py   messages as the rewrites leave them, and what each took out: `Rewriter`
    recognition.py how a conversation is recognised
    steps.py       what leaves out the older part of a conversation; summary.py asks for a summary of it
    when.py        whether to do that now: `decide`; the sum in cuts.py, the value of waiting in waiting.py, how many turns
                   are to come in further.py, lapsed caches in lapses.py

May import: core only.
"""

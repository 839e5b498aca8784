"""Fewer tokens: what is taken out of prompts before they are planned, and what is asked of answers.

    pieces.py     the texts of a request, by message: what a rewrite is given
    recipe.py     what a policy allows, and what a conversation that has begun with it keeps to

May import: core only.
"""

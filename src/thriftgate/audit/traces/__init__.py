"""Recordings of prompts as trees of prefixes: who sent which prompt when, and what it shared with those before it."""

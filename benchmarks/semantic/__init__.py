"""Answers to similar questions: does the error stay within the bound, and what share of calls does that buy?"""

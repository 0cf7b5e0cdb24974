"""
Stores with a known verdict: one that keeps every rule, correct variants of it, and mutants: stores broken
on purpose in one way each, named for what they do wrong.
"""

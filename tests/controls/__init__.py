"""
Stores with a known verdict: one that keeps every rule, legal variants of it, and broken ones.
"""

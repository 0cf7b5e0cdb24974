"""
Facts about a user's own database, by reads that load it no more than a health check.
"""

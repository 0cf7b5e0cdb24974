"""
The cases: one module a rule group, one a memory type, restart, processes, concurrency.
"""

"""
Backends: how each store and its engine come up.  They know no test.
"""

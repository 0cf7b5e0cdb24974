"""
Memories moved between any two stores, by way of a file.
"""

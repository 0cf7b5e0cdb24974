"""
Stores opened by a URL for an application's own use: what `store_conformance.factory` is made of.
"""

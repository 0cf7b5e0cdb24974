"""
Latency of the store's calls: ``pytest --pyargs store_conformance.benchmarks --conformance-backend NAME``.
"""

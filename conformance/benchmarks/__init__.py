"""
Latency of the store's calls: ``pytest --pyargs store_conformance.benchmarks --backend NAME``.
"""

"""
Latency of the store's calls: ``pytest --pyargs conformance.benchmarks --backend NAME``.
"""

"""
Tests of the harness itself; the modules import each other as ``tests.<name>``.
"""

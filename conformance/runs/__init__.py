"""
One run: its backends and settings, the run file, expectations, findings and reproducers.
"""

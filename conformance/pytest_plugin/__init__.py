"""
The suite as pytest sees it; the entry point module imports nothing but pytest.
"""

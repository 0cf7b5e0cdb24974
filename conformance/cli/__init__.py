"""
The command line: parsing, commands and the self-test.
"""

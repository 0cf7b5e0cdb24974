"""
Runs one case against one store; knows no database and no case.
"""

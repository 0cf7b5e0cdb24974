"""
The contract of a LangGraph store and the cases that check it; it knows no database.
"""

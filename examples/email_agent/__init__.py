"""
The guide's e-mail agent on any store: `python -m examples.email_agent`, and STORE_URL says which.
"""

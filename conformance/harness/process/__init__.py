"""
Other processes of a case: for restarts, kills and several processes at one location.
"""

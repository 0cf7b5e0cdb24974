"""
The production checklist, which looks for itself: checks as data, and a pure judgement for each.
"""

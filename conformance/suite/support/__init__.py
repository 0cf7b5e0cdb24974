"""
What several cases need: corpora, embedders, agents, shapes of values.
"""

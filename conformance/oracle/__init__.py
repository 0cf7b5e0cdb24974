"""
What a right answer is: the reference model, how answers are compared with it, random histories.
"""

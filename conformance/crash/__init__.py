"""
What survives: writers that are killed in their work, engines that are killed or stopped, power that fails.

A campaign strikes again and again and compares what processes started afterwards read with what the
writers' ledgers say was acknowledged.  docs/SURVIVAL.md says how, and what its words mean.
"""

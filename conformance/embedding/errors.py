"""
The one complaint of this package: an embedder that cannot be had, and what to do about it.
"""

from __future__ import annotations


class EmbeddingError(ValueError):
    """An embedder that is unknown, not installed, or does not answer."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem}. Hint: {self.hint}"

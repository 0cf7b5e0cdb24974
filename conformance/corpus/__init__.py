"""
The e-mails, memories, questions and prompts that the scenarios run on: the shipped ones or your own.
"""

from __future__ import annotations

from store_conformance.corpus.model import (
    EVERYONE,
    LABELS,
    PROMPT_KEYS,
    Corpus,
    CorpusError,
    Email,
    Memory,
    Prompt,
    Question,
)
from store_conformance.corpus.reading import SHIPPED, load_corpus

__all__ = [
    "EVERYONE",
    "LABELS",
    "PROMPT_KEYS",
    "SHIPPED",
    "Corpus",
    "CorpusError",
    "Email",
    "Memory",
    "Prompt",
    "Question",
    "load_corpus",
]

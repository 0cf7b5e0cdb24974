"""
One BaseStore over several, routed by namespace.

Agents keep different memories in different places: prompts under `(user_id,)` in a relational
database, what is found by meaning in a vector database.  `HybridStore` makes such a pair look
like one store; it keeps nothing of its own and opens or closes none of the stores it is given.
"""

from __future__ import annotations

from store_conformance.backends.hybridstore.routes import Route
from store_conformance.backends.hybridstore.store import HybridStore

__all__ = ["HybridStore", "Route"]

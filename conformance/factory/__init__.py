"""
An application's store, chosen by its environment: ``store = create_store()``, and nothing else changes.
"""

from store_conformance.factory.creating import create_async_store, create_store
from store_conformance.factory.mistakes import FactoryError

__all__ = ["FactoryError", "create_async_store", "create_store"]

"""
``python -m store_conformance.cli``.
"""

from store_conformance.cli.parsing import main

if __name__ == "__main__":
    main()

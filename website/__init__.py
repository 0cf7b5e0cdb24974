"""
The documentation as a site: ``mkdocs build --strict`` makes it of docs/, the contract and the published runs.

Not installed.  `hooks.py` is what MkDocs calls; each other module makes pages, as Markdown, from what the
project already says elsewhere, so that nothing is written twice and nothing generated is committed.
"""

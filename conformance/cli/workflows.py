"""
The GitHub workflows that ``store-conformance init`` writes.
"""

from __future__ import annotations

_HEAD = """\
name: Store conformance

on:
  push:
    branches: [main]
  pull_request:
  workflow_dispatch:

permissions: {}

concurrency:
  group: store-conformance-${{ github.ref }}
  cancel-in-progress: true

jobs:
"""
_PYTHON = """\
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          persist-credentials: false
      - uses: actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0
        with:
          python-version: "3.13"
"""
_UPLOAD = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0"
_DOWNLOAD = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1"

ONE_JOB = f"""\
# The store against the contract of LangGraph's stores, judged by gate.toml.
{_HEAD}  conformance:
    name: the store's contract
    runs-on: ubuntu-24.04
    timeout-minutes: 60
    permissions:
      contents: read # to check out
    steps:
{_PYTHON}      - run: python -m pip install . "langgraph-store-conformance[scenarios]"
      - run: store-conformance run --store conformance_store.py:open_store --name mine
      - name: The report stays, whatever it says
        if: ${{{{ !cancelled() }}}}
        uses: {_UPLOAD}
        with:
          name: conformance-run
          path: conformance-run
"""

MATRIX = f"""\
# Several stores against the contract of LangGraph's stores, each in a job of its own; then one report of all of
# them, judged by gate.toml.
{_HEAD}  run:
    name: ${{{{ matrix.name }}}}
    runs-on: ubuntu-24.04
    timeout-minutes: 60
    permissions:
      contents: read # to check out
    strategy:
      fail-fast: false
      matrix:
        include: # a line a store or backend; `store-conformance backends` names those that are built in
          - name: mine
            words: --store conformance_store.py:open_store --name mine
          - name: memory
            words: --backend memory
          - name: sqlite
            words: --backend sqlite
    steps:
{_PYTHON}      - run: python -m pip install . "langgraph-store-conformance[scenarios,sqlite]"
      - name: Run the suite
        run: |
          read -r -a words <<< "$WORDS"
          code=0
          store-conformance run "${{words[@]}}" --no-policy --out "run-$NAME" || code=$?
          # Whether a run that found something may pass is the gate's to say, below.
          if [ "$code" -gt 1 ]; then exit "$code"; fi
        env:
          NAME: ${{{{ matrix.name }}}}
          WORDS: ${{{{ matrix.words }}}}
      - name: Keep the run
        if: ${{{{ !cancelled() }}}}
        uses: {_UPLOAD}
        with:
          name: run-${{{{ matrix.name }}}}
          path: run-${{{{ matrix.name }}}}
          if-no-files-found: error

  report:
    name: one report, and the gate
    needs: run
    if: ${{{{ !cancelled() }}}}
    runs-on: ubuntu-24.04
    timeout-minutes: 15
    permissions:
      contents: read # to check out
    steps:
{_PYTHON}      - uses: {_DOWNLOAD}
        with:
          pattern: run-*
          path: runs
      - run: python -m pip install langgraph-store-conformance
      - name: One report of all runs
        run: |
          store-conformance report runs/* --out conformance-report --format md --format html --format summary --format annotations
          head -c 1000000 conformance-report/summary.md >> "$GITHUB_STEP_SUMMARY"
          cat conformance-report/annotations.txt
      - name: Keep the report
        uses: {_UPLOAD}
        with:
          name: conformance-report
          path: conformance-report
      - name: Whether the gate holds
        run: store-conformance gate runs/*
"""

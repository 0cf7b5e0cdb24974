"""
Reports: runs in, tables and pages out.

It knows neither pytest nor a database.  ``build_report`` turns a run into data, ``write_reports``
writes it in every format, ``compare`` tells what changed between two runs.
"""

from store_conformance.reports.diff import RunDiff, compare
from store_conformance.reports.model import Report, build_report
from store_conformance.reports.write import DEFAULT, FORMATS, write_reports

__all__ = [
    "DEFAULT",
    "FORMATS",
    "Report",
    "RunDiff",
    "build_report",
    "compare",
    "write_reports",
]

"""
What a process can run out of: then our own code fails in it as well, which is neither its fault nor a finding.
"""

from __future__ import annotations

import errno

from store_conformance.harness.backends import causes
from store_conformance.harness.text import message_of

_SPENT = {
    errno.EMFILE: "open files that a process may have",
    errno.ENFILE: "open files of the machine",
    errno.ENOMEM: "memory",
    errno.ENOSPC: "space on the disk",
    errno.EFBIG: "bytes that a process may write to a file",
    getattr(errno, "EDQUOT", -1): "space that the user may fill",
}
_NO_THREAD = "can't start new thread"


def exhausted(error: BaseException) -> str | None:
    """What the process has run out of, if that is why this was raised: ``the process has run out of memory``."""
    for cause in causes(error):
        spent = None
        if isinstance(cause, MemoryError):
            spent = "memory"
        elif isinstance(cause, RuntimeError) and _NO_THREAD in message_of(cause):
            spent = "threads"
        elif isinstance(cause, OSError) and cause.errno is not None:
            spent = _SPENT.get(cause.errno)
        if spent is not None:
            return f"the process of the case has run out of {spent}"
    return None

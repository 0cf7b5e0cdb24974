"""
How a case ends when it does not pass: each ending carries its verdict and says what happened.
"""

from __future__ import annotations

from store_conformance.contract import UserError, Verdict
from store_conformance.harness.text import message_of


class CaseEnded(Exception):  # noqa: N818 - an ending, which need not be an error
    """The case is over; ``str`` of it is the message of its row."""

    verdict: Verdict = Verdict.FAIL


class CheckFailedError(CaseEnded, AssertionError):
    """The store's answer breaks the rule."""

    def __init__(
        self,
        message: str,
        *,
        expected: object = None,
        got: object = None,
        compared: bool = False,
        shows: tuple[object, object] | None = None,
    ) -> None:
        """
        ``compared``: ``got`` had to equal ``expected``, which else only tells what was wanted.

        ``shows``: of a check over several values, one that was put and what was read back.
        """
        super().__init__(message)
        self.compared = compared
        self.shows = shows
        self.message = message
        self.expected = expected
        self.got = got


class StoreRaisedError(CaseEnded):
    """
    A call to the store raised; ``cause`` is what it raised.

    An engine that is not there says nothing of the store: then the case is ``unverified``.
    """

    def __init__(self, call: str, cause: BaseException) -> None:
        super().__init__(call, cause)
        self.call = call
        self.cause = cause
        self._unavailable = isinstance(cause, UserError) and cause.verdict is Verdict.UNVERIFIED
        self.verdict = Verdict.UNVERIFIED if self._unavailable else Verdict.FAIL
        # Now, while the call is still watched: what an exception says is code of the store, and may hang.
        said = "" if self._unavailable else message_of(cause, 300)
        self._text = f"{call} raised {type(cause).__name__}: {said}"

    def __str__(self) -> str:
        return str(self.cause) if self._unavailable else self._text


class UnsupportedError(CaseEnded):
    """The store does not offer this and says so."""

    verdict = Verdict.UNSUPPORTED


class UnverifiedError(CaseEnded):
    """The check could not tell: a prerequisite failed, or nothing was exercised."""

    verdict = Verdict.UNVERIFIED


class HarnessError(CaseEnded):
    """The harness's own fault."""

    verdict = Verdict.ERROR

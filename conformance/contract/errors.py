"""
What a user is told when something is wrong with what they asked for, or missing on their machine.

Every such error is a `UserError`: the command line prints it in one line and ends with its exit code.
Subclasses exist only where code catches one kind and not the others.
"""

from __future__ import annotations

from typing import ClassVar

from store_conformance.contract.verdicts import Verdict

EXIT_OK = 0
"""The gate holds."""
EXIT_FAILED = 1
"""A rule failed, or an expectation is stale."""
EXIT_USAGE = 2
"""Something was asked that cannot be done."""
EXIT_UNVERIFIED = 3
"""Nothing could be verified, for want of an engine for example."""
EXIT_DATA = 65
"""A run file cannot be read."""
EXIT_INTERRUPTED = 130


class UserError(Exception):
    """
    ``problem`` says what is wrong and ``hint`` what to do about it; neither shows a secret.

    ``exit_code`` is what the command line ends with.
    """

    verdict: ClassVar[Verdict] = Verdict.ERROR
    """What a case comes to that ends with this error outside a call of the store."""
    default_exit_code: ClassVar[int] = EXIT_USAGE

    def __init__(self, problem: str, hint: str = "", exit_code: int | None = None) -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint
        self.exit_code = self.default_exit_code if exit_code is None else exit_code

    def __str__(self) -> str:
        if not self.hint:
            return self.problem
        return f"{self.problem.rstrip('.')}. Hint: {self.hint}"

    def __reduce__(self) -> tuple[object, ...]:
        # Subclasses take other arguments than those that are kept: a worker process hands over the result.
        return _restored, (type(self), self.args, dict(self.__dict__))


def _restored(
    kind: type[UserError], args: tuple[object, ...], state: dict[str, object]
) -> UserError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error

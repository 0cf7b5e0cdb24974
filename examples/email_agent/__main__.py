"""
`python -m examples.email_agent`: handles the next e-mails of a mailbox, ends, and remembers at its next start.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys

from store_conformance.contract import UserError
from store_conformance.corpus import load_corpus
from store_conformance.factory import create_store

DAYS = 3
"""So many starts go through a mailbox; then it begins again."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.email_agent", description=__doc__)
    parser.add_argument("--user", default="amara", help="whose mailbox (default: amara)")
    parser.add_argument(
        "--model",
        default="scripted",
        help="scripted, or a provider string such as openai:gpt-4o-mini",
    )
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    # Without a key and without a download; a real provider is one variable away.
    os.environ.setdefault("EMBEDDINGS", "real")
    try:
        return run(given.user, given.model)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def run(user: str, model_name: str) -> int:
    from examples.email_agent.agent import EmailAgent
    from examples.email_agent.memory import FIRST_EXAMPLES, Memories
    from examples.email_agent.model import model_from_name

    corpus = load_corpus()
    if user not in corpus.users:
        raise UserError(f"there is no mailbox of {user}", f"there are {', '.join(corpus.users)}")
    with create_store() as store:
        memories = Memories(store, user)
        new = memories.begin(corpus)
        number = memories.started()
        print(
            f"start {number} of {user}'s agent on {type(store).__name__}: {'nothing was remembered' if new else _known(memories)}"
        )
        agent = EmailAgent(memories, model_from_name(model_name))
        inbox = corpus.emails_of(user)[:-FIRST_EXAMPLES]
        for email in inbox[(number - 1) % DAYS :: DAYS]:
            handled = agent.handle(email)
            agent.learn_from(handled)
            mark = (
                ""
                if handled.right
                else f" (it should have been {email.label}: the prompt was rewritten)"
            )
            print(f"{handled.label:<8} {email.subject}{mark}")
            if handled.answer:
                print(f"         {handled.answer}")
        print(f"now remembered: {_known(memories)}")
    return 0


def _known(memories: object) -> str:
    from examples.email_agent.memory import Memories

    assert isinstance(memories, Memories)
    prompts = memories.prompts()
    lines = sum(len(text.splitlines()) for text in prompts.values())
    examples = len(memories.store.search(memories.examples_space, limit=1000))
    episodes = len(memories.store.search(memories.collection_space, limit=1000))
    return f"{len(prompts)} prompts of {lines} lines, {examples} examples, {episodes} episodes"


if __name__ == "__main__":
    sys.exit(main())

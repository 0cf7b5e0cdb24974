"""
Weaviate: after a SIGKILL of the server, objects of the last batch are there and no vector search finds them.

Seen with Weaviate 1.39.0 and weaviate-client 4.23; needs the server's binary, "weaviate", on PATH.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

import random, secrets, shutil, signal, socket, subprocess, tempfile, time, uuid
import weaviate
from weaviate.classes.config import Configure, DataType, Property
from weaviate.classes.data import DataObject

folder = tempfile.mkdtemp(prefix="weaviate-killed-")


def free_block():
    """Six free ports side by side: the server wants that of its data right after that of its gossip."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            begin = first.getsockname()[1] + 1
        try:
            for port in range(begin, begin + 6):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return range(begin, begin + 6)


servers = []
PORTS, KEY = free_block(), secrets.token_urlsafe()
VARIABLES = {
    "PERSISTENCE_DATA_PATH": folder,
    "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
    "AUTHENTICATION_APIKEY_ENABLED": "true",
    "AUTHENTICATION_APIKEY_ALLOWED_KEYS": KEY,
    "AUTHENTICATION_APIKEY_USERS": "finding",
    "CLUSTER_HOSTNAME": "one",
    "CLUSTER_ADVERTISE_ADDR": "127.0.0.1",
    "CLUSTER_GOSSIP_BIND_PORT": str(PORTS[1]),
    "CLUSTER_DATA_BIND_PORT": str(PORTS[2]),
    "RAFT_PORT": str(PORTS[3]),
    "RAFT_INTERNAL_RPC_PORT": str(PORTS[4]),
    "GRPC_PORT": str(PORTS[5]),
    "RAFT_BOOTSTRAP_EXPECT": "1",
    "CLUSTER_IN_LOCALHOST": "true",
    "CLUSTER_BIND_ADDR": "127.0.0.1",
    "DISABLE_TELEMETRY": "true",
    "LOG_LEVEL": "panic",  # its gRPC port is on every interface, hence the key
}


def kill(server):
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def start(again=False):
    command = ["weaviate", "--host", "127.0.0.1", "--port", str(PORTS[0]), "--scheme", "http"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, env={**os.environ, **VARIABLES}, start_new_session=True, **quiet)
    servers.append(server)
    for _ in range(300):
        time.sleep(0.2)
        try:
            client = weaviate.connect_to_local(port=PORTS[0], grpc_port=PORTS[5], auth_credentials=KEY)
            if client.is_ready() and (not again or client.collections.exists("Memories")):
                return server, client
            client.close()
        except Exception:
            continue
    raise RuntimeError("the server did not start")


def lacking(memories):
    """The objects that are there, and those of them that no search by a vector finds; it is given 20 seconds."""
    for _ in range(20):
        there = {one.uuid for one in memories.query.fetch_objects(limit=10_000).objects}
        found = {one.uuid for one in memories.query.near_vector([1.0] * 16, limit=10_000).objects}
        if there <= found:
            break
        time.sleep(1)
    return there, there - found


def look():
    """Kill the server after a batch until something is lacking: how many are there, and how many were not found."""
    chance = random.Random(7)
    server, client = start()
    client.collections.create(
        "Memories",
        vector_config=Configure.Vectors.self_provided(),
        properties=[Property(name="n", data_type=DataType.INT)],
    )
    for round in range(1, 11):
        vectors = [[chance.random() for _ in range(16)] for _ in range(20)]
        batch = [DataObject({"n": n}, uuid.UUID(int=round * 100 + n), v) for n, v in enumerate(vectors)]
        answer = client.collections.get("Memories").data.insert_many(batch)
        assert not answer.has_errors, answer.errors
        kill(server), client.close()
        server, client = start(again=True)
        there, lost = lacking(client.collections.get("Memories"))
        assert {one.uuid for one in batch} <= there, "acknowledged objects are gone altogether"
        if lost:
            break
    client.close()
    return len(there), len(lost), round


try:
    there, lost, round = look()
finally:
    [kill(server) for server in servers]
    shutil.rmtree(folder, ignore_errors=True)
got = f"after kill {round} no search by a vector finds {lost} of {there} acknowledged objects" if lost else "each object is found"
print("got:     ", got, "\npromised: each object is found", flush=True)
sys.exit(bool(lost))

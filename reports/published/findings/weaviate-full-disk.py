"""
Weaviate: a replacement that it refuses because its disk is full may delete the object.

Seen with Weaviate 1.39.0 and weaviate-client 4.23; needs the server's binary, "weaviate", on PATH.  It fills a file
system of 400 MB in memory that it mounts for itself alone, in a namespace of its own that goes with it: no disk of the
machine is touched.  That needs root, or a Linux on which users may make namespaces.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

import contextlib, random, secrets, shutil, socket, subprocess, time, uuid
import weaviate
from weaviate.classes.config import Configure, DataType, Property

if sys.argv[1:] != ["alone"]:
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    alone = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, __file__, "alone"]
    os.execvp("unshare", ["unshare", *user, *alone])
subprocess.run("mount -t tmpfs -o size=400m full /mnt", shell=True, check=True)
assert shutil.disk_usage("/mnt").total == 400 << 20, "that is another disk"
folder = "/mnt/data"


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


def start(again=False):
    command = ["weaviate", "--host", "127.0.0.1", "--port", str(PORTS[0]), "--scheme", "http"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, env={**os.environ, **VARIABLES}, start_new_session=True, **quiet)
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


chance = random.Random(7)


server, client = start()
client.collections.create(
    "Memories",
    vector_config=Configure.Vectors.self_provided(),
    properties=[Property(name="text", data_type=DataType.TEXT)],
)
memories = client.collections.get("Memories")


def put(n, text):
    """Write an object anew; True if the server acknowledged it."""
    vector = [chance.random() for _ in range(16)]
    try:
        if memories.data.exists(uuid.UUID(int=n)):
            memories.data.replace(uuid.UUID(int=n), {"text": text}, vector=vector)
        else:
            memories.data.insert({"text": text}, uuid=uuid.UUID(int=n), vector=vector)
    except Exception:
        return False
    return True


def fill():
    """Take all room but a few kilobytes, so that the disk is full in the middle of a write."""
    with open("/mnt/ballast", "wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(4096))
    os.truncate("/mnt/ballast", os.path.getsize("/mnt/ballast") - 4096 * chance.randrange(40))


for round in range(1, 31):
    assert all(put(n, f"before {round} " + "x" * 2000) for n in range(1, 65))
    fill()
    refused = sum(not put(n, f"during {round} " + "x" * 2000) for n in [*range(1, 65)] * 2)
    os.remove("/mnt/ballast")
    assert refused, "it was never full"
    for _ in range(30):
        time.sleep(1)
        if put(1000, "after"):
            break
    there = {n for n in range(1, 65) if memories.query.fetch_object_by_id(uuid.UUID(int=n)) is not None}
    found = {one.uuid.int for one in memories.query.near_vector([1.0] * 16, limit=1000).objects}
    lacking = set(range(1, 65)) - (there & found)
    if lacking:
        break
client.close()
got = f"of 64 objects {len(there)} are there, {len(there & found)} are found by their vectors, after {refused} refused writes"
print("got:     ", got, "\npromised: all 64 are there and found", flush=True)
sys.exit(bool(lacking))

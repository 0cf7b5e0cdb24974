"""
Qdrant Edge ends the application's process when the disk is full.

Seen with qdrant-edge-py 0.9.0.  It fills a file system of 256 MB in memory that it mounts for itself alone, in a
namespace of its own that goes with it: no disk of the machine is touched.  That needs root, or a Linux on which
users may make namespaces.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

import shutil, subprocess, tempfile
from qdrant_edge import Distance, EdgeConfig, EdgeShard, EdgeVectorParams, Point, UpdateOperation

if sys.argv[1:] == ["fill"]:
    subprocess.run("mount -t tmpfs -o size=256m full /mnt", shell=True, check=True)
    assert shutil.disk_usage("/mnt").total == 256 << 20, "that is another disk"
    shard = EdgeShard.create("/mnt/shard", EdgeConfig(vectors={"v": EdgeVectorParams(4, Distance.Cosine)}))
    for n in range(4_000):
        shard.update(UpdateOperation.upsert_points([Point(n, {"v": [1.0, 0, 0, n]}, {"text": "x" * 99_000})]))
        print("acknowledged", n, flush=True)

user = [] if os.geteuid() == 0 else ["--map-root-user"]
command = ["unshare", *user, "--mount", sys.executable, __file__, "fill"]
done = subprocess.run(command, capture_output=True, text=True)
assert "acknowledged" in done.stdout and done.returncode, f"it was never full: {done.stderr[-500:]}"
said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
got = f"the process ended with code {done.returncode}, and said {said[0][:300]}"
promised = "an exception in Python"
print("got:     ", got)
print("promised:", promised)
sys.exit("Traceback" not in done.stderr)

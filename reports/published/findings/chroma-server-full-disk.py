"""
Chroma's server gives no answer any more after its disk was full, although there is room again.

Seen with chromadb 1.5.9.  It fills a file system of 256 MB in memory that it mounts for itself alone, in a namespace
of its own that goes with it: no disk of the machine is touched.  That needs root, or a Linux on which users may make
namespaces.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

import contextlib, shutil, subprocess, threading, time, chromadb

if sys.argv[1:] != ["alone"]:
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    alone = ["--mount", "--pid", "--fork", "--kill-child", sys.executable, __file__, "alone"]
    os.execvp("unshare", ["unshare", *user, *alone])
subprocess.run("mount -t tmpfs -o size=256m full /mnt", shell=True, check=True)
assert shutil.disk_usage("/mnt").total == 256 << 20, "that is another disk"
chroma = os.path.join(os.path.dirname(sys.executable), "chroma")
subprocess.Popen([chroma, "run", "--path", "/mnt/data", "--port", "8127"], stdout=subprocess.DEVNULL)
for _ in range(100):
    time.sleep(0.3)
    with contextlib.suppress(Exception):
        memories = chromadb.HttpClient("127.0.0.1", 8127).create_collection("memories")
        break
put = lambda n: memories.upsert([str(n)], [[1.0, n, 0.5, n / 9]], documents=["x" * 2000])
[put(n) for n in range(300)]
subprocess.run(["dd", "if=/dev/zero", "of=/mnt/ballast"], stderr=subprocess.DEVNULL)
for n in range(60):
    with contextlib.suppress(chromadb.errors.ChromaError):
        put(300 + n)
os.remove("/mnt/ballast")
last = threading.Thread(target=put, args=(400,), daemon=True)
last.start(), last.join(30)
got = f"no answer in 30 s to a put with {shutil.disk_usage('/mnt').free >> 20} MB free" if last.is_alive() else "an answer"
print("got:     ", got, "\npromised: an answer", flush=True)
os._exit(got != "an answer")

"""What programs do with python3-docker, on the daemon that DOCKER_HOST names. Prints one JSON object of what it found."""

import io
import json
import sys
import tarfile
import threading
import time

import docker

client = docker.from_env(timeout=120)
found = {}


def said(command, **options):
    # A busy dockerd now and then gives a follower nothing of a container that ended at once.
    for _ in range(5):
        text = client.containers.run("busybox", command, remove=True, **options).decode()
        if text:
            break
    return text


def note(name, value):
    found[name] = value


def refused(name, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
        note(name, "not refused")
    except docker.errors.APIError as error:
        note(name, [type(error).__name__, error.status_code])
    except docker.errors.DockerException as error:
        note(name, [type(error).__name__])


def tar_of(name, data):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        info.mode = 0o640
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


note("ping", client.ping())
note("info", sorted(set(client.info()) & {"ID", "Containers", "Images", "Driver", "OperatingSystem", "NCPU", "MemTotal", "Swarm"}))
note("version", sorted(set(client.version()) & {"ApiVersion", "Version", "Os", "Arch", "KernelVersion"}))

# Events are listened to from the start, in a thread of their own.
events = client.events(decode=True, filters={"label": "sdk"})
heard = []
listener = threading.Thread(target=lambda: [heard.append(e["Action"]) for e in events], daemon=True)
listener.start()

note("run", said(["echo", "hello"]))
note("run both", sorted(said(["sh", "-c", "echo out; sleep 0.1; echo err >&2"], stdout=True, stderr=True).split()))
try:
    client.containers.run("busybox", ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
except docker.errors.ContainerError as error:
    note("run fails", [error.exit_status, error.stderr.decode()])
refused("no command", client.containers.run, "busybox", ["nope"], remove=True)
refused("no container", client.containers.get, "nosuch")
refused("no image", client.images.get, "nosuch:1")

c = client.containers.run("busybox", ["sh", "-c", "i=0; while [ $i -lt 5 ]; do echo line $i; i=$((i+1)); sleep 0.1; done; exec sleep 1000"],
                          detach=True, name="sdk-one", labels={"sdk": "one"}, environment={"A": "b"}, working_dir="/tmp", mem_limit="64m", init=True)
lines = []
for chunk in c.logs(stream=True, follow=True):
    lines.extend(chunk.decode().split("\n"))
    if "line 4" in lines:
        break
note("logs stream", [line for line in lines if line])
note("logs", c.logs(tail=2).decode())
note("exec_run", list(c.exec_run(["sh", "-c", "echo $A; pwd; exit 4"]))[0:2][0])
note("exec_run output", c.exec_run(["sh", "-c", "echo $A; pwd"]).output.decode())
note("exec_run demux", [part and part.decode() for part in c.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True).output])
note("exec_run stream", b"".join(c.exec_run(["sh", "-c", "for i in 1 2 3; do echo $i; done"], stream=True).output).decode())
_, sock = c.exec_run(["cat"], stdin=True, socket=True)
sock._sock.sendall(b"through a socket\n")
note("exec_run socket", sock.read(8 + 17)[8:].decode())
sock.close()

c.reload()
note("status", c.status)
note("attrs", [c.attrs["Config"]["Env"][0], c.attrs["HostConfig"]["Memory"], c.labels["sdk"], c.attrs["Config"]["WorkingDir"]])
note("list", [x.name for x in client.containers.list(filters={"label": "sdk=one"})])
note("put_archive", c.put_archive("/tmp", tar_of("file.txt", b"put there")))
stream, stat = c.get_archive("/tmp/file.txt")
with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
    note("get_archive", [stat["name"], stat["size"], tar.extractfile("file.txt").read().decode(), oct(tar.getmember("file.txt").mode & 0o7777)])
refused("get_archive missing", c.get_archive, "/nosuch")
note("diff", sorted({entry["Path"] for entry in c.diff()} & {"/tmp", "/tmp/file.txt"}))
stats = c.stats(stream=False)
note("stats", [stats["memory_stats"]["usage"] > 0, stats["cpu_stats"]["cpu_usage"]["total_usage"] > 0, "eth0" in stats["networks"], stats["name"]])
note("top", len(c.top()["Processes"]) >= 1)
c.pause()
c.reload()
note("paused", c.status)
c.unpause()
c.rename("sdk-renamed")
c.update(mem_limit="80m", memswap_limit="160m")
c.reload()
note("renamed, updated", [c.name, c.attrs["HostConfig"]["Memory"]])
c.restart(timeout=0)
c.kill(signal="SIGKILL")
note("wait", c.wait(timeout=60)["StatusCode"])
c.start()
c.stop(timeout=0)
committed = c.commit(repository="sdk-image", tag="1")
made = client.containers.create("sdk-image:1", ["true"], name="sdk-made")
note("commit", made.get_archive("/tmp/file.txt")[1]["size"])
made.remove()

a = client.containers.create("busybox", ["sh", "-c", "read word; echo got $word; exit 5"], stdin_open=True, name="sdk-attached", labels={"sdk": "two"})
sock = a.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
a.start()
sock._sock.sendall(b"apple\n")
note("attach socket", sock.read(8 + 10)[8:].decode())
sock.close()
note("attach wait", a.wait()["StatusCode"])

image = client.images.get("busybox")
image.tag("sdk-image", "2")
note("images", sorted(tag for i in client.images.list("sdk-image") for tag in i.tags))
note("history", len(client.images.get("sdk-image:2").history()) >= 1)
saved = b"".join(client.api.get_image("sdk-image:2"))
client.images.remove("sdk-image:2")
note("load", [i.tags for i in client.images.load(saved)][0].count("sdk-image:2"))

net = client.networks.create("sdk-net", driver="bridge", labels={"sdk": "net"},
                             ipam=docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet="10.201.7.0/24")]))
server = client.containers.run("busybox", ["sleep", "1000"], detach=True, name="sdk-server", network="sdk-net")
net.connect(c, aliases=["other"])
c.start()
note("alias", server.exec_run(["ping", "-c", "1", "-W", "20", "other"]).exit_code)
net.disconnect(c)
net.reload()
note("network", [len(net.containers), net.attrs["IPAM"]["Config"][0]["Subnet"], [n.name for n in client.networks.list(names=["sdk-net"])]])

volume = client.volumes.create("sdk-volume", labels={"sdk": "volume"})
mounts = [docker.types.Mount("/data", "sdk-volume"), docker.types.Mount("/t", "", type="tmpfs", tmpfs_size=1 << 20)]
client.containers.run("busybox", ["sh", "-c", "echo kept > /data/f"], mounts=mounts, remove=True)
note("volume", said(["cat", "/data/f"], volumes={"sdk-volume": {"bind": "/data", "mode": "ro"}}))
web = client.containers.run("busybox", ["httpd", "-f", "-p", "80"], detach=True, ports={"80/tcp": None}, name="sdk-web")
web.reload()
note("ports", [len(web.ports["80/tcp"][0]["HostPort"]) > 0, sorted(web.ports)])

refused("remove a running one", web.remove)
refused("remove a volume in use", (lambda: [client.containers.create("busybox", volumes={"sdk-volume": {"bind": "/d"}}, name="sdk-holder"), volume.remove()]))
client.containers.get("sdk-holder").remove()
for x in (server, web, c, a):
    x.remove(force=True)
volume.remove()
net.remove()
client.containers.create("busybox", ["true"], name="sdk-pruned", labels={"sdk": "pruned"})
note("prune", len(client.containers.prune(filters={"label": "sdk=pruned"})["ContainersDeleted"]))
for tag in ("sdk-image:1", "sdk-image:2"):
    client.images.remove(tag, force=True)
note("df", sorted(set(client.df()) & {"Images", "Containers", "Volumes"}))
refused("swarm", client.swarm.reload)
refused("services", client.services.list)
refused("secrets", client.secrets.list)
note("plugins", client.plugins.list())

for _ in range(100):
    if heard.count("destroy") >= 3:
        break
    time.sleep(0.1)
events.close()
wanted = ["create", "start", "die", "exec_create", "pause", "unpause", "rename", "update", "kill", "restart", "stop", "destroy", "commit"]
note("events", [action for action in wanted if any(h.split(":")[0] == action for h in heard)])
json.dump(found, sys.stdout, indent=1)

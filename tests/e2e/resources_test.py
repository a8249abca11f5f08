"""What replicas reserve of the machine, on real Podman: devices by CDI, memory,
CPUs; who waits, who gives way, and what is known after a kill -9.

The devices are device nodes of our own that lead to /dev/null, in a CDI
specification of a vendor that only this run has, removed afterwards."""

import json
import os
import pathlib
import random
import signal
import stat
import threading
import time

import harness
from harness import wait_until

CDI_DIR = pathlib.Path("/var/run/cdi")


class Devices:
    """`count` harmless devices: names[i] is a CDI name, and a container that
    gets it finds /dev/berth-gpu<i> and TEST_GPU_<i>=1."""

    def __init__(self, t, count):
        vendor = f"t{os.getpid()}-{random.randrange(1 << 32):08x}.berth.test"
        self.names = [f"{vendor}/gpu={i}" for i in range(count)]
        nodes = []
        for i in range(count):
            host = t.dir / f"gpu{i}"
            os.mknod(host, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
            nodes.append({"path": f"/dev/berth-gpu{i}", "hostPath": str(host)})
        devices = [
            {"name": str(i), "containerEdits": {
                "deviceNodes": [nodes[i]], "env": [f"TEST_GPU_{i}=1"]}}
            for i in range(count)
        ]
        devices.append({"name": "all", "containerEdits": {"deviceNodes": nodes}})
        spec = {"cdiVersion": "0.5.0", "kind": f"{vendor}/gpu", "devices": devices}
        self.path = CDI_DIR / f"{vendor}.json"
        CDI_DIR.mkdir(exist_ok=True)
        t.cleanup(lambda: self.path.unlink(missing_ok=True))
        # In one step: another berth may read the directory in this moment.
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(spec))
        draft.rename(self.path)

    def conf(self, memory=None):
        """The lines for resources { }."""
        end = f" memory={memory};" if memory else ";"
        return "".join(f"gpu {name}{end}\n" for name in self.names)


def gpu_app(name, more="gpus 1;"):
    return (f"app {name} {{ image localhost/berth-test/app:1; network none;"
            f" replicas 0 1; {more} }}\n")


def conf_of(apps, resources, queue=""):
    routes = "".join(f"route /{name} {{ app {name}; }}\n" for name in apps)
    blocks = "".join(
        more if more.startswith("app") else gpu_app(name, more)
        for name, more in apps.items()
    )
    return (f"resources {{ {resources} }}\nhttp {{ server {{"
            f" listen 127.0.0.1:@port@;\n{routes} }} }}\n{blocks}")


def names_of(count):
    return [f"a{i}" for i in range(count)]


def seen_devices(berth, app):
    """Which devices the app's one container has: by what stands in its /dev, and
    by the variables that come with them."""
    [container] = berth.containers(app, all=False)
    dev = pathlib.Path(f"/proc/{container['Pid']}/root/dev")
    nodes = sorted(p.name.removeprefix("berth-gpu") for p in dev.glob("berth-gpu*"))
    environ = pathlib.Path(f"/proc/{container['Pid']}/environ").read_bytes()
    variables = sorted(
        v.split(b"=")[0].decode().removeprefix("TEST_GPU_")
        for v in environ.split(b"\0") if v.startswith(b"TEST_GPU_")
    )
    assert nodes == variables, f"{nodes} in /dev, {variables} in the environment"
    for name in nodes:
        assert stat.S_ISCHR((dev / f"berth-gpu{name}").stat().st_mode)
    told = [v for v in environ.split(b"\0") if v.startswith(b"BERTH_GPUS=")]
    told = told[0].decode().removeprefix("BERTH_GPUS=").split(",") if told else []
    return nodes, told


def reserved(berth):
    return berth.status()["resources"]


def settle():
    """Wait until the keeper knows of the requests that there were."""
    time.sleep(0.7)


def device_numbers(berth, devices, app):
    """Numbers of the app's devices; its container has them, and is told them."""
    nodes, told = seen_devices(berth, app)
    assert told == [devices.names[int(n)] for n in nodes], (told, nodes)
    return nodes


class Watch(threading.Thread):
    """Looks at the containers that run all the time: `most` of something at any
    moment. weight(container) says how much one has."""

    def __init__(self, berth, weight):
        super().__init__(daemon=True)
        self.berth, self.weight = berth, weight
        self.most, self.looks, self.done = 0, 0, threading.Event()
        self.error = None

    def run(self):
        try:
            while not self.done.is_set():
                running = self.berth.containers(all=False)
                self.most = max(self.most, sum(map(self.weight, running)))
                self.looks += 1
                time.sleep(0.01)
        except Exception as error:
            self.error = error

    def stop(self):
        self.done.set()
        self.join()
        if self.error:
            raise self.error
        assert self.looks > 0
        return self.most


# --- devices ------------------------------------------------------------------


@harness.limit(120)
def test_eight_apps_have_a_device_each_and_a_ninth_evicts_the_one_used_longest_ago(t):
    devices = Devices(t, 8)
    apps = {name: "gpus 1;" for name in names_of(9)}
    berth = t.berth(conf_of(apps, devices.conf()))
    watch = Watch(berth, lambda c: 1)
    watch.start()
    for name in names_of(8):
        assert berth.get(f"/{name}/hash").status == 200
    held = {name: device_numbers(berth, devices, name) for name in names_of(8)}
    assert sorted(sum(held.values(), [])) == [str(i) for i in range(8)], held
    status = reserved(berth)
    assert status["gpus"] == {"total": 8, "reserved": 8}, status
    for device in status["devices"]:
        assert len(device["holders"]) == 1, device
    for name in names_of(8):  # used again, but one
        if name != "a5":
            for _ in range(10):
                assert berth.get(f"/{name}/hash").status == 200
    settle()
    assert berth.get("/a8/hash").status == 200
    assert device_numbers(berth, devices, "a8") == held["a5"]
    assert berth.containers("a5") == []
    for name in names_of(8):
        assert name == "a5" or device_numbers(berth, devices, name) == held[name]
    assert berth.metric("berth_evictions_total", app="a5", by="a8") == 1
    assert berth.metric("berth_resource_reserved", resource="gpus") == 8
    assert berth.metric("berth_resource_total", resource="gpus") == 8
    assert watch.stop() == 8, watch.most
    berth.wait_log("a replica makes room for another app app=a5 .* by=a8")


@harness.limit(120)
def test_nothing_is_over_reserved_over_a_kill_9_of_berth(t):
    devices = Devices(t, 3)
    apps = {name: "gpus 1; queue_timeout 3s;" for name in names_of(5)}
    berth = t.berth(conf_of(apps, devices.conf()), on_exit="keep")
    watch = Watch(berth, lambda c: 1)
    watch.start()
    for name in names_of(3):
        assert berth.get(f"/{name}/hash").status == 200
    held = {name: device_numbers(berth, devices, name) for name in names_of(3)}
    front = berth.front_pid
    berth.kill()
    # Until it has gone it may still answer, by 503 draining.
    wait_until(lambda: not harness.is_alive(front), 10, "the old front is gone")
    berth.start()
    # At once, while the containers are still looked at.
    assert berth.get("/a3/hash").status == 200
    after = reserved(berth)
    assert after["gpus"]["reserved"] == 3, after
    left = [name for name in names_of(3) if berth.containers(name, all=False)]
    assert len(left) == 2, left
    for name in left:
        assert device_numbers(berth, devices, name) == held[name]
    [gone] = set(names_of(3)) - set(left)
    assert device_numbers(berth, devices, "a3") == held[gone]
    assert watch.stop() == 3


def test_fractions_share_a_device_and_their_memory_is_counted(t):
    devices = Devices(t, 2)
    apps = {
        "half": "gpus 0.5; gpu_memory 10g;", "third": "gpus 0.25; gpu_memory 6g;",
        "more": "gpus 0.25; gpu_memory 6g;", "whole": "gpus 1; gpu_memory 16g;",
    }
    berth = t.berth(conf_of(apps, devices.conf("16g")))
    for name in ("half", "third", "more"):
        assert berth.get(f"/{name}/hash").status == 200
    half = device_numbers(berth, devices, "half")
    assert device_numbers(berth, devices, "third") == half
    # It would fit by its fraction, but 22g are more than 16g.
    other = device_numbers(berth, devices, "more")
    assert other != half
    by_name = {d["name"]: d for d in reserved(berth)["devices"]}
    assert by_name[devices.names[int(half[0])]]["reserved"] == 0.75
    assert by_name[devices.names[int(half[0])]]["memory_reserved_bytes"] == 16 << 30
    for name in ("half", "third", "more"):
        for _ in range(5):
            assert berth.get(f"/{name}/hash").status == 200
    settle()
    # One device must be emptied, and one app alone is the smaller loss.
    assert berth.get("/whole/hash").status == 200
    assert device_numbers(berth, devices, "whole") == other
    assert berth.containers("more") == []
    assert device_numbers(berth, devices, "third") == half


def test_an_app_may_have_several_devices(t):
    devices = Devices(t, 3)
    apps = {"two": "gpus 2;", "one": "gpus 1;", "also": "gpus 1;"}
    berth = t.berth(conf_of(apps, devices.conf()))
    for name in ("one", "two"):
        assert berth.get(f"/{name}/hash").status == 200
    two = device_numbers(berth, devices, "two")
    assert len(two) == 2
    assert set(two).isdisjoint(device_numbers(berth, devices, "one"))


# --- CPUs and memory ----------------------------------------------------------


def test_memory_and_cpus_are_reserved_and_idle_ones_give_way(t):
    apps = {
        "m1": "memory 300m;", "m2": "memory 300m;", "m3": "memory 300m;",
        "c1": "cpus 0.5; memory 20m;", "c2": "cpus 0.75; memory 20m;",
    }
    berth = t.berth(conf_of(apps, "cpus 1; memory 700m;"))
    limits = {"m1": 300, "m2": 300, "m3": 300, "c1": 20, "c2": 20}
    watch = Watch(berth, lambda c: limits[c["Labels"]["berth.app"]])
    watch.start()
    for name in ("m1", "m2", "c1"):
        assert berth.get(f"/{name}/hash").status == 200
    status = reserved(berth)
    assert status["memory_bytes"]["reserved"] == 620 << 20, status
    assert status["cpus"] == {"total": 1, "reserved": 0.5}, status
    for name in ["m2", "c1"] * 10:
        assert berth.get(f"/{name}/hash").status == 200
    settle()
    assert berth.get("/m3/hash").status == 200
    assert berth.containers("m1") == []
    assert berth.get("/c2/hash").status == 200
    assert berth.containers("c1") == [] and berth.containers("m2", all=False)
    assert watch.stop() <= 700, watch.most


# --- waiting ------------------------------------------------------------------


def test_what_finds_no_room_is_told_so_after_queue_timeout(t):
    apps = {
        "busy": "memory 300m; concurrency 4;",
        "late": "memory 300m; queue_timeout 1500ms;",
    }
    berth = t.berth(conf_of(apps, "memory 400m;"))
    assert berth.get("/busy/hash").status == 200
    with berth.connect() as holder:
        holder.request("GET", "/busy/delay?ms=4000", read=False)
        time.sleep(0.3)
        answer = berth.get("/late/hash")
        assert answer.status == 503 and answer.error == "no_resources", answer
        assert answer.total_ms >= 1400, answer.total_ms
        assert "memory: 300 MiB wanted, 300 of 400 MiB are reserved" in answer.text
        assert int(answer.field("Retry-After")) >= 1
        assert holder.read().status == 200, "it was left alone"
    assert len(berth.containers("busy", all=False)) == 1
    assert berth.metric("berth_rejected_total", reason="no_resources", app="late") == 1
    # The start goes on, and gets its room now that the other is idle.
    wait_until(lambda: berth.containers("late", all=False), 15, "late has its room")
    assert berth.get("/late/hash").status == 200
    assert berth.containers("busy") == []


def test_eviction_waits_for_the_request_that_runs(t):
    apps = {"busy": "memory 300m;", "next": "memory 300m;"}
    berth = t.berth(conf_of(apps, "memory 400m;"))
    assert berth.get("/busy/hash").status == 200
    with berth.connect() as holder:
        holder.request("GET", "/busy/delay?ms=1500", read=False)
        time.sleep(0.2)
        answer = berth.get("/next/hash")
        assert answer.status == 200 and answer.total_ms > 1000, answer.total_ms
        held = holder.read()
        assert held.status == 200 and held.complete
    assert berth.containers("busy") == []


def test_importance_and_evictable_are_respected(t):
    apps = {
        "boss": "memory 300m; importance 5;",
        "fixed": "memory 300m; evictable off; importance -5;",
        "plain": "memory 300m; queue_timeout 1s;",
    }
    berth = t.berth(conf_of(apps, "memory 700m;"))
    for name in ("boss", "fixed"):
        assert berth.get(f"/{name}/hash").status == 200
    time.sleep(1)
    answer = berth.get("/plain/hash")
    assert answer.status == 503 and answer.error == "no_resources", answer
    assert berth.containers("boss", all=False) and berth.containers("fixed", all=False)


def test_a_min_replica_goes_only_for_a_higher_importance(t):
    apps = {
        "low": gpu_app("low", "memory 300m;").replace("replicas 0 1", "replicas 1 1"),
        "same": "memory 300m; queue_timeout 1s;",
        "high": "memory 300m; importance 1;",
    }
    berth = t.berth(conf_of(apps, "memory 400m;"))
    wait_until(lambda: berth.containers("low", all=False), 15, "low runs")
    time.sleep(1)
    assert berth.get("/same/hash").error == "no_resources"
    assert berth.get("/high/hash").status == 200
    assert berth.containers("low") == []


# --- what the machine has not -------------------------------------------------


def test_more_than_the_machine_has_is_an_error_of_run_and_check_host(t):
    devices = Devices(t, 1)
    berth = t.berth(
        conf_of({"big": "memory 2g;", "wide": "gpus 2;"},
                f"memory 1g; {devices.conf()} gpu no.such/gpu=0;"),
        start=False,
    )
    plain = berth.cli("check", check=False)
    assert plain.returncode == 0, plain.stderr
    for found in (berth.cli("check", "--host", check=False),
                  berth.cli("run", check=False)):
        text = found.stdout + found.stderr
        assert found.returncode != 0
        assert "app big: memory of 2048 MiB: there are 1024 MiB here" in text, text
        assert "gpu no.such/gpu=0 is in no CDI specification" in text, text


# --- what a reload changes ----------------------------------------------------


def reload(berth, conf):
    berth.configure(conf)
    berth.send_signal(signal.SIGHUP)


@harness.limit(90)
def test_a_new_revision_takes_the_one_device_from_the_old_one(t):
    devices = Devices(t, 1)
    conf = conf_of({"a": "gpus 1;"}, devices.conf())
    berth = t.berth(conf)
    watch = Watch(berth, lambda c: 1)
    watch.start()
    assert berth.get("/a/hash").status == 200
    reload(berth, conf.replace("berth-test/app:1", "berth-test/app:2"))
    wait_until(
        lambda: [c["Image"] for c in berth.containers("a", all=False)]
        == ["localhost/berth-test/app:2"], 30, "the new one has the device")
    assert berth.get("/a/hash").status == 200
    assert device_numbers(berth, devices, "a") == ["0"]
    assert watch.stop() == 1


def memory_limit(berth, app):
    """As its cgroup has it; Podman's own books do not follow an update."""
    [container] = berth.containers(app, all=False)
    for line in pathlib.Path(f"/proc/{container['Pid']}/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            file = f"/sys/fs/cgroup/memory{path}/memory.limit_in_bytes"
            return int(pathlib.Path(file).read_text())
    return int(pathlib.Path(f"/sys/fs/cgroup{path}/memory.max").read_text())


@harness.limit(90)
def test_limits_that_a_reload_raises_are_reserved_where_there_is_room(t):
    conf = conf_of({"a": "memory 200m;", "b": "memory 300m; queue_timeout 1s;"},
                   "memory 600m;")
    berth = t.berth(conf)
    assert berth.get("/a/hash").status == 200
    held = lambda: reserved(berth)["memory_bytes"]["reserved"] >> 20  # noqa: E731
    reload(berth, conf.replace("200m", "350m"))
    wait_until(lambda: held() == 350, 10, "350 MiB are reserved")
    reload(berth, conf.replace("200m", "250m"))
    wait_until(lambda: held() == 250, 10, "250 MiB are reserved")
    assert berth.get("/b/hash").status == 200
    reload(berth, conf.replace("200m", "350m"))
    berth.wait_log("no room for more now; its next start has the new ones")
    assert held() == 550
    assert memory_limit(berth, "a") == 250 << 20

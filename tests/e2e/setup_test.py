"""`setup { copy …; run …; }`: a layer on an image, built once for its content."""

import json
import os
import pathlib
import signal
import socket
import time

import harness

CONF = """
http { server { listen 127.0.0.1:@port@; route / { app a; } } }
app a { image localhost/berth-test/app:1; network none; replicas 0 2; %s }
"""
SHELL = "copy /bin/busybox /bin/sh;"
PREFIX = "localhost/berth-setup/"


def read(berth, path, app=""):
    answer = berth.get(f"{app}/file?path={path}")
    return answer.text if answer.status == 200 else None


def layers(t, berth):
    """Tags of the layers that this berth has built and that are still there."""
    # Podman answers 500 while an image of the list goes.
    answer = harness.wait_until(
        lambda: (a := t.podman.api("GET", "/images/json")).status == 200 and a, 10,
        "the images are listed",
    )
    images = answer.json()
    return sorted(
        tag for image in images for tag in image.get("RepoTags") or []
        if tag.startswith(PREFIX) and (image["Labels"] or {}).get("berth.namespace")
        == berth.namespace
    )


def builds(berth):
    return berth.log.count("building a layer")


def remove_layers(t, berth):
    if berth.is_running():
        berth.stop()
    t.podman.clear()
    for tag in layers(t, berth):
        t.podman.run("rmi", "--force", tag)


def start(t, conf, **kw):
    berth = t.berth(conf, **kw)
    t.cleanup(lambda: remove_layers(t, berth))
    return berth


@harness.limit(120)
def test_copied_files_and_what_ran_are_in_the_container(t):
    folder = t.dir / "src"
    (folder / "deep").mkdir(parents=True)
    t.write("src/a.txt", "one")
    t.write("src/deep/b.sh", "two", 0o755)
    t.write("src/empty", "")
    t.write("src/" + "long" * 40, "long")
    os.symlink("/etc/passwd", folder / "link")
    t.write("one file.txt", "three")
    berth = start(t, CONF % f"""setup {{
        {SHELL}
        copy {folder} /srv;
        copy "{t.dir}/one file.txt" /opt/;
        copy "{t.dir}/one file.txt" /opt/named;
        run "echo $((20 + 22)) > /ran; id -u >> /ran";
        run /bin/sh -c "cat /srv/a.txt > '/\\\\$HOME [1] \\\\\\\\n'";
    }} env X y;""")
    assert read(berth, "/%5C%24HOME%20%5B1%5D%20%5C%5Cn") == "one", "as it stands"
    assert read(berth, "/srv/a.txt") == "one"
    assert read(berth, "/srv/deep/b.sh") == "two"
    assert read(berth, "/srv/empty") == ""
    assert read(berth, "/srv/" + "long" * 40) == "long"
    assert read(berth, "/opt/one%20file.txt") == "three"
    assert read(berth, "/opt/named") == "three"
    assert read(berth, "/ran") == "42\n0\n"
    assert read(berth, "/srv/link") is None, "a link means what it means in there"
    pid = berth.status("a")["replicas"][0]["pid"]
    root = f"/proc/{pid}/root"
    assert os.readlink(f"{root}/srv/link") == "/etc/passwd"
    assert os.stat(f"{root}/srv/deep/b.sh").st_mode & 0o777 == 0o755
    assert builds(berth) == 1 and len(layers(t, berth)) == 1
    printed = berth.cli("config").stdout
    assert printed.index(f"copy {folder} /srv;") < printed.index("run "), printed


@harness.limit(120)
def test_a_layer_is_built_once_and_shared_and_found_again(t):
    t.write("code", "v1")
    setup = f"setup {{ {SHELL} copy {t.dir}/code /code; run 'cat /code > /ran'; }}"
    conf = """
        http { server { listen 127.0.0.1:@port@; route /a { app a; } route /b { app b; } } }
        app a { image localhost/berth-test/app:1; network none; replicas 0 2; %s }
        app b { image localhost/berth-test/app:1; network none; replicas 0 2; %s }
    """ % (setup, setup + " env OTHER 1;")
    berth = start(t, conf)
    answers = harness.parallel(8, lambda i: read(berth, "/ran", "/" + "ab"[i % 2]))
    assert answers == ["v1"] * 8, answers
    assert builds(berth) == 1
    [layer] = layers(t, berth)
    assert berth.status("a")["revision"] != berth.status("b")["revision"]
    berth.stop()
    berth.start()
    assert read(berth, "/ran", "/b") == "v1"
    assert builds(berth) == 1 and layers(t, berth) == [layer], "found again"


@harness.limit(150)
def test_a_changed_file_makes_a_new_layer_and_the_old_one_goes(t):
    code = t.write("code", "v1")
    conf = CONF % f"setup {{ copy {code} /code; }}"
    berth = start(t, conf)
    assert read(berth, "/code") == "v1"
    first_revision = berth.status("a")["revision"]
    [first] = layers(t, berth)
    berth.stop()
    os.utime(code, (1, 1))
    berth.start()
    assert read(berth, "/code") == "v1" and layers(t, berth) == [first], "same content"
    assert berth.status("a")["revision"] == first_revision
    berth.stop()
    code.write_text("v2")
    berth.start()
    assert read(berth, "/code") == "v2"
    assert berth.status("a")["revision"] != first_revision
    assert builds(berth) == 2
    harness.wait_until(
        lambda: len(layers(t, berth)) == 1 and first not in layers(t, berth), 60,
        "the layer that nobody uses is removed", interval=0.5,
    )
    berth.stop()
    berth.configure(CONF % "")
    berth.start()
    harness.wait_until(
        lambda: layers(t, berth) == [], 60, "no app has a setup", interval=0.5
    )


@harness.limit(120)
def test_a_command_that_fails_says_what_it_said(t):
    berth = start(t, CONF % f"""start_retries 0; setup {{
        {SHELL} run "echo now it gets bad; echo really bad >&2; exit 7"; }}""")
    answer = berth.get("/hash")
    assert answer.status == 503, answer
    for words in ["setup of image localhost/berth-test/app:1", "exit status 7",
                  "now it gets bad", "really bad"]:  # of two pipes: in any order
        assert words in answer.text, answer.text
    assert layers(t, berth) == []
    images = t.podman.api("GET", "/images/json?all=true").json()
    left = [i for i in images if (i["Labels"] or {}).get("berth.namespace") == berth.namespace]
    assert left == [], "nothing of it is left over"


@harness.limit(120)
def test_a_build_that_mends_itself_serves(t):
    wanted = t.write("maybe", "exit 1")
    berth = start(t, CONF % f"""start_retries 0; setup {{
        {SHELL} copy {wanted} /maybe; run "/bin/sh /maybe"; }}""")
    assert berth.get("/hash").status == 503
    wanted.write_text("exit 0")
    harness.wait_until(
        lambda: berth.get("/hash").status == 200, 60,
        "what is built is what the file is when it is built", interval=0.5,
    )


@harness.limit(120)
def test_what_takes_too_long_is_called_off(t):
    # Podman 4.3 lets a command that runs go on: one that ends by itself.
    berth = start(t, CONF % f"""start_retries 0; pull_timeout 4s; setup {{
        {SHELL} run "echo waiting; sleep 11"; run "echo never"; }}""")
    began = time.monotonic()
    answer = berth.get("/hash", timeout=40)
    assert answer.status == 503 and "pull_timeout" in answer.text, answer.text
    assert "waiting" in answer.text and time.monotonic() - began < 10, answer.text
    # Nor is another build begun beside it before the time is over again.
    time.sleep(2)
    assert builds(berth) == 1
    berth.stop()
    time.sleep(max(0, began + 14 - time.monotonic()))
    assert layers(t, berth) == [], "what comes of it is not kept"
    assert t.podman.run("ps", "--all", "--external", "--quiet") == ""


@harness.limit(120)
def test_progress_is_seen(t):
    berth = start(t, CONF % f"""setup {{ {SHELL}
        run "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"; }}""")
    seen = set()

    def ended():
        seen.add(berth.status("a").get("image_activity", ""))
        return "layer built" in berth.log

    harness.wait_until(ended, 60, "it is built", interval=0.02)
    assert any(words.startswith("setup: ") and "of" in words for words in seen), seen


def test_files_that_cannot_be_copied_are_named(t):
    folder = t.dir / "src"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(folder / "sock"))
    berth = start(t, CONF % f"start_retries 0; setup {{ copy {folder} /srv; }}")
    answer = berth.get("/hash")
    assert answer.status == 503, answer
    assert "sock is neither a file, a folder nor a link" in answer.text, answer.text
    berth.stop()
    os.unlink(folder / "sock")
    os.mkfifo(folder / "pipe")
    second = start(t, CONF % f"start_retries 0; setup {{ copy {folder} /srv; }}", name="b")
    answer = second.get("/hash")
    assert answer.status == 503 and "pipe is neither" in answer.text, answer.text
    second.stop()
    conf = t.write("missing.conf", "app a { image localhost/a; setup { copy /nowhere /x; } }")
    import subprocess

    done = subprocess.run([harness.berth_bin(), "run", "-c", str(conf)],
                          capture_output=True, text=True)
    assert done.returncode != 0
    assert 'copy "/nowhere": No such file or directory' in done.stdout + done.stderr, done


@harness.limit(120)
def test_containers_of_a_layer_are_adopted(t):
    code = t.write("code", "v1")
    berth = start(t, CONF % f"setup {{ copy {code} /code; }}", on_exit="keep")
    first = berth.get("/file?path=/code")
    assert first.text == "v1"
    [before] = berth.containers("a")
    berth.kill()
    berth.start()
    assert berth.get("/file?path=/code").text == "v1"
    [after] = berth.containers("a")
    assert before["Id"] == after["Id"], "the same container"


# --- reloads --------------------------------------------------------------------


@harness.limit(180)
def test_a_reload_sees_changed_files_and_steps(t):
    code = t.write("code", "v1")
    conf = CONF % f"setup {{ copy {code} /code; }}"
    berth = start(t, conf)
    assert read(berth, "/code") == "v1"
    first = berth.status("a")["revision"]
    berth.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert berth.status("a")["revision"] == first and builds(berth) == 1
    code.write_text("v2")
    berth.send_signal(signal.SIGHUP)
    harness.wait_until(
        lambda: read(berth, "/code") == "v2", 30, "a changed file", interval=0.1
    )
    second = berth.status("a")["revision"]
    assert second != first and builds(berth) == 2
    berth.configure(CONF % f"setup {{ {SHELL} copy {code} /code; run 'echo v3 > /code'; }}")
    berth.send_signal(signal.SIGHUP)
    harness.wait_until(
        lambda: read(berth, "/code") == "v3\n", 30, "a step more", interval=0.1
    )
    harness.wait_until(
        lambda: len(layers(t, berth)) == 1, 90,
        "the layers before are removed", interval=0.5,
    )


# --- sidecars -------------------------------------------------------------------


@harness.limit(120)
def test_a_sidecar_has_the_whole_environment_too(t):
    code = t.write("code", "of the sidecar")
    name = f"{t.namespace}-key"
    t.podman.run("secret", "create", name, str(t.write("key", "a secret")))
    t.cleanup(lambda: t.podman.run("secret", "rm", name, check=False))
    berth = start(t, """
        http { server { listen 127.0.0.1:@port@; route / { app a; } } }
        app a { image localhost/berth-test/app:1; replicas 0 1;
            sidecar side { image localhost/berth-test/app:1; command --port=9001;
                setup { copy %s /code; } secret %s; tmpfs /cache:8m;
                cap_drop net_raw; device /dev/loop-control; } }
    """ % (code, name))
    assert berth.get("/hash").status == 200
    [side] = [c for c in berth.containers("a") if ".side." in c["Names"][0]]
    root = pathlib.Path(f"/proc/{side['Pid']}/root")
    assert (root / "code").read_text() == "of the sidecar"
    assert (root / "run/secrets" / name).read_text() == "a secret"
    assert (root / "dev/loop-control").exists()
    mounts = pathlib.Path(f"/proc/{side['Pid']}/mounts").read_text()
    assert "tmpfs /cache tmpfs" in mounts
    status = pathlib.Path(f"/proc/{side['Pid']}/status").read_text()
    [bound] = [line.split()[1] for line in status.splitlines() if "CapBnd" in line]
    assert int(bound, 16) >> 13 & 1 == 0, bound
    assert read(berth, "/code") is None, "the app itself has nothing of it"

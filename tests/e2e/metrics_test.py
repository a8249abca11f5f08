"""/metrics: the names that operators build on, right, and in the right form."""

import json
import re
import shutil
import subprocess
import urllib.request

import harness
from harness import wait_until

CONF = """
worker_threads 2;
http { server { listen 127.0.0.1:@port@;
    route /a { app a; }
    route /b { app b; }
    route /gone { return 410 "gone"; }
    route /slow { app b; rate_limit 1r/m; }
} }
app a { image localhost/berth-test/app:1; network none; replicas 0 1; }
app b { image localhost/berth-test/app:1; network none; replicas 0 1;
        concurrency 1; }
"""

FULL = """
http { server { listen 127.0.0.1:@port@; route /c { app c; } } }
app c { image localhost/berth-test/app:1; network none; replicas 1 1;
        concurrency 1; queue_size 0; }
"""

# operations.md; those of a series that comes with its first event are looked
# at by the tests of what they count.
FAMILIES = """
berth_requests_total berth_request_duration_seconds berth_queue_wait_seconds
berth_upstream_duration_seconds berth_queue_depth berth_in_flight
berth_rejected_total berth_retries_total berth_client_aborts_total
berth_request_bytes_total berth_response_bytes_total berth_replicas
berth_replicas_wanted berth_starts_total berth_start_duration_seconds
berth_start_phase_seconds berth_log_lines_dropped_total
berth_start_failures_total berth_replica_crashes_total
berth_image_pull_seconds berth_image_pull_bytes
berth_resource_reserved berth_resource_total berth_front_restarts_total
berth_channel_round_trip_seconds berth_tunnels berth_connections
berth_connections_total berth_tls_handshakes_total berth_podman_up
berth_podman_request_seconds berth_build_info process_cpu_seconds_total
process_resident_memory_bytes process_open_fds process_start_time_seconds
""".split()


def test_every_name_of_the_design_is_there_with_help_and_type(t):
    berth = t.berth(CONF)
    assert berth.get("/a/hash").status == 200
    # It is asked once a second.
    wait_until(lambda: berth.metric("berth_channel_round_trip_seconds_count") > 0, 10)
    text = berth.admin("GET", "/metrics").text
    for name in FAMILIES:
        assert re.search(rf"^# HELP {name} \S", text, re.M), name
        assert re.search(rf"^# TYPE {name} (counter|gauge|histogram)$", text, re.M), name
        assert re.search(rf"^{name}(_count)?[ {{]", text, re.M), name


def test_what_it_counts_is_what_a_client_counts(t):
    berth = t.berth(CONF)
    sent = {"/a/hash": 37, "/b/status/404": 11, "/b/hash": 5}
    body = b"x" * 1000
    seen = {}
    received = 0
    for target, n in sent.items():
        with berth.connect() as conn:
            for _ in range(n):
                answer = conn.request("POST", target, body)
                seen[answer.status] = seen.get(answer.status, 0) + 1
                received += len(answer.body)
    for target, n in {"/gone": 3, "/none": 4}.items():
        for _ in range(n):
            status = berth.get(target).status
            seen[status] = seen.get(status, 0) + 1
    counted = {}
    for name, labels, value in berth.metrics():
        if name == "berth_requests_total" and value:
            code = int(labels["code"])
            counted[code] = counted.get(code, 0) + value
    assert counted == seen, (counted, seen)
    assert berth.metric("berth_requests_total", app="a", route="/a", code="200") == 37
    assert berth.metric("berth_request_duration_seconds_count", app="a") == 37
    assert berth.metric("berth_request_duration_seconds_count", app="b") == 16
    assert berth.metric("berth_upstream_duration_seconds_count", app="b") == 16
    assert berth.metric("berth_request_bytes_total") == 53 * 1000
    assert berth.metric("berth_response_bytes_total") == received
    assert berth.metric("berth_starts_total", app="a", **{"from": "pulled"}) == 1
    assert berth.metric("berth_start_duration_seconds_count", app="a") == 1
    for phase in ("create", "start", "boot", "first_byte"):
        assert berth.metric("berth_start_phase_seconds_count", app="a", phase=phase) == 1
    assert berth.metric("berth_podman_request_seconds_count", call="create") == 2
    assert berth.metric("berth_podman_request_seconds_count", call="start") == 2


def test_a_refusal_is_counted_by_its_reason(t):
    berth = t.berth(CONF)
    assert berth.get("/slow/hash").status == 200
    assert berth.get("/slow/hash").error == "rate_limited"
    assert berth.metric("berth_rejected_total", app="b", reason="rate_limited") == 1


def test_a_full_queue_is_counted_too(t):
    berth = t.berth(FULL)
    wait_until(lambda: berth.get("/c/hash").status == 200, 20)
    before = berth.metric("berth_rejected_total", app="c", reason="queue_full")
    with berth.connect() as busy:
        busy.request("GET", "/c/delay?ms=2000", read=False)
        wait_until(lambda: berth.metric("berth_in_flight", app="c") == 1, 10)
        assert berth.get("/c/hash").error == "queue_full"
        busy.read()
    assert berth.metric("berth_rejected_total", app="c", reason="queue_full") == before + 1


def test_connections_are_told_apart_by_what_they_are_at(t):
    behind = t.free_port()
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@; listen 127.0.0.1:@behind@ proxy_protocol;
                        route /a { app a; } } }
        app a { image localhost/berth-test/app:1; network none; replicas 0 1; }
    """, ports={"behind": behind})

    def open_now(port):
        return {labels["state"]: value for name, labels, value in berth.metrics()
                if name == "berth_connections"
                and labels["listener"] == f"127.0.0.1:{port}"}

    def become(port, **states):
        expected = {"setup": 0, "idle": 0, "active": 0} | states
        wait_until(lambda: open_now(port) == expected, 10, f"{expected} of {port}")

    with berth.connect() as one, berth.connect() as two, berth.connect(behind) as three:
        become(behind, setup=1)
        one.request("GET", "/a/hash")
        become(berth.port, idle=2)
        two.request("GET", "/a/delay?ms=1500", read=False)
        become(berth.port, idle=1, active=1)
        two.read()
        become(berth.port, idle=2)
        three.send(b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n")
        become(behind, idle=1)
    become(berth.port)
    become(behind)


def test_replicas_are_counted_in_the_state_that_they_are_in(t):
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
        app a { image localhost/berth-test/app:1; network none; replicas 0 1;
                keep_primed 1; idle_timeout 300ms; stop_timeout 3s;
                command --start-delay=1500 --ignore-term; }
    """)

    def become(**states):
        def same():
            counted = {labels["state"]: int(value) for name, labels, value
                       in berth.metrics() if name == "berth_replicas"}
            seen.append(counted)
            return {s: n for s, n in counted.items() if n} == states
        seen = []
        wait_until(same, 15, lambda: f"{states}: {seen[-3:]}")

    become(primed=1)
    with berth.connect() as conn:
        conn.request("GET", "/a/hash", read=False)
        become(starting=1)
        assert conn.read().status == 200
    become(stopping=1, primed=1)
    become(primed=1)


def test_promtool_finds_nothing_wrong(t):
    berth = t.berth(CONF)
    assert berth.get("/a/hash").status == 200
    text = berth.admin("GET", "/metrics").text
    assert shutil.which("promtool"), "install Debian's package prometheus"
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                          capture_output=True)
    # What lint says of names that the design has fixed is no error.
    lines = [line for line in (done.stdout + done.stderr).splitlines()
             if "non-counter metrics should not have" not in line]
    assert not lines, lines


def test_open_metrics_is_spoken_when_it_is_asked_for(t):
    berth = t.berth(CONF)
    assert berth.get("/a/hash").status == 200
    answer = berth.admin("GET", "/metrics", fields=[
        ("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")])
    assert answer.field("Content-Type").startswith("application/openmetrics-text")
    assert answer.text.endswith("\n# EOF\n")
    assert "# TYPE berth_requests counter\n" in answer.text
    assert 'berth_requests_total{app="a",route="/a",code="200"} 1\n' in answer.text
    plain = berth.admin("GET", "/metrics")
    assert plain.field("Content-Type").startswith("text/plain; version=0.0.4")


@harness.limit(90)
def test_a_real_prometheus_scrapes_it(t):
    berth = t.berth(CONF)
    assert berth.get("/a/hash").status == 200
    port = t.free_port()
    conf = t.write("prometheus.yml", f"""
global: {{ scrape_interval: 1s, scrape_timeout: 1s }}
scrape_configs:
  - job_name: berth
    static_configs: [ {{ targets: ["127.0.0.1:{berth.admin_port}"] }} ]
""")
    prometheus = subprocess.Popen(
        ["prometheus", f"--config.file={conf}", f"--storage.tsdb.path={t.dir}/tsdb",
         f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def ask(query):
            try:
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{port}/api/v1/query?query={query}", timeout=5
                ) as answer:

                    found = json.load(answer)["data"]["result"]
            except OSError:
                return None
            return found[0]["value"][1] if found else None

        wait_until(lambda: ask("up") == "1", 40, "a scrape")
        assert ask("berth_requests_total") == "1"
        assert ask("berth_start_duration_seconds_count%7Bfrom=%22pulled%22,app=%22a%22%7D") == "1"
    finally:
        prometheus.terminate()
        prometheus.wait(20)

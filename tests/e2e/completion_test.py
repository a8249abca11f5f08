"""What bash, zsh and fish offer, asked of those shells themselves."""

import os
import re
import shlex
import subprocess

import harness

CONF = """
http { server { listen 127.0.0.1:@port@; route / { app alpha; } } }
app alpha { upstream 127.0.0.1:9; }
app alphorn { upstream 127.0.0.1:9; }
app beta { upstream 127.0.0.1:9; }
"""

# Shows what the completion system is given, then ends.
ZSH_SETUP = r"""
PROMPT= RPROMPT=
%(load)s
bindkey '^I' complete-word
compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
        builtin compadd "$@"
        return
    fi
    local -a hits
    builtin compadd -O hits "$@"
    (( $#hits )) && print -rl -- '' OFFERED:$^hits
    builtin compadd "$@"
}
finish() { print -r -- E''ND; exit }
comppostfuncs=(finish)
print -r -- REA''DY
"""
ZSH_ASK = """
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "source $2"
zpty -r -m z out '*READY*'
zpty -w -n z "$1"$'\\t'
zpty -r -m z out '*END*'
print -r -- "$out"
"""


def run(t, *args):
    bin_dir = t.dir / "bin"
    bin_dir.mkdir(exist_ok=True)
    link = bin_dir / "berth"
    if not link.exists():
        link.symlink_to(os.path.abspath(harness.berth_bin()))
    done = subprocess.run(
        args,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=30,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"PATH": f"{bin_dir}:{os.environ['PATH']}", "TERM": "dumb", "HOME": str(t.dir)},
    )
    assert done.returncode == 0 and done.stderr == "", (args, done.stdout, done.stderr)
    return done.stdout


def script(t, shell, name):
    path = t.dir / name
    if not path.exists():
        path.write_text(run(t, "berth", "completion", shell))
    return path


def bash(t, line):
    words = [shlex.quote(word) for word in line.split(" ")]
    told = run(
        t,
        *("bash", "--norc", "-c"),
        f"source {script(t, 'bash', 'berth.bash')}; complete -p berth >/dev/null || exit 1; "
        f"COMP_WORDS=({' '.join(words)}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
        "$(complete -p berth | sed 's/.*-F \\([^ ]*\\).*/\\1/'); printf '%s\\n' \"${COMPREPLY[@]}\"",
    )
    return set(told.split())


def zsh_with(t, line, load):
    setup, ask = t.dir / "setup.zsh", t.dir / "ask.zsh"
    setup.write_text(ZSH_SETUP % {"load": load})
    ask.write_text(ZSH_ASK)
    told = run(t, "zsh", "-f", str(ask), line, str(setup))
    return {word.strip().removeprefix("OFFERED:") for word in told.splitlines() if word.startswith("OFFERED:")}


def zsh(t, line):
    """As it is installed: found in $fpath by its first line."""
    functions = t.dir / "functions"
    functions.mkdir(exist_ok=True)
    script(t, "zsh", "functions/_berth")
    return zsh_with(t, line, f"fpath=({functions} $fpath); autoload -Uz compinit && compinit -D -u")


def zsh_sourced(t, line):
    path = script(t, "zsh", "berth.zsh")
    return zsh_with(t, line, f"autoload -Uz compinit && compinit -D -u; source {path}")


def fish(t, line):
    told = run(
        t,
        *("fish", "--no-config", "-c"),
        f"source {script(t, 'fish', 'berth.fish')}; complete -C {shlex.quote(line)}",
    )
    return {offer.split("\t")[0] for offer in told.splitlines()}


@harness.limit(180)
def test_each_shell_offers_what_fits(t):
    berth = t.berth(CONF)
    where = f"-c {berth.conf_path}"
    socket = f"--socket {berth.dir}/state/admin.sock"
    cases = [
        ("berth re", {"reload", "restart"}),
        ("berth help st", {"status", "stop"}),
        ("berth reload --", {"--no-wait", "--json", "--config", "--socket"}),
        ("berth completion f", {"fish"}),
        (f"berth restart {where} al", {"alpha", "alphorn"}),
        (f"berth why --config {berth.conf_path} b", {"beta"}),
        (f"berth restart {socket} al", {"alpha", "alphorn"}),
        (f"berth check -c {berth.dir}/berth.con", {"berth.conf"}),
        ("berth restart -c /nowhere al", set()),
    ]
    for shell in (bash, zsh, zsh_sourced, fish):
        for line, want in cases:
            got = {os.path.basename(word) for word in shell(t, line)}
            assert got == want, (shell.__name__, line, got)


@harness.limit(60)
def test_the_manual_pages_are_clean(t):
    for page in ("berth", "berth.conf"):
        path = t.dir / f"{page}.1"
        path.write_text(run(t, "berth", "manual", page))
        done = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", str(path)],
            capture_output=True,
            text=True,
            env=os.environ | {"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MANROFFOPT": "-ww"},
            timeout=30,
        )
        assert done.returncode == 0 and done.stderr == "", (page, done.stderr[:500])
        text = re.sub(".\b", "", done.stdout)  # bold is typed twice
        assert "NAME" in text and "DESCRIPTION" in text, text[:300]

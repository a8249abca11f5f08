/* commands.c - the table of subcommands. */
#include "proxy/cli/cli.h"

#include <stddef.h>

#define ACTION_DETAILS                                                         \
    " Waits until it is done, and shows what goes on; Ctrl-C leaves it "       \
    "running."

#define APP                                                                    \
    {                                                                          \
        "APP", false, CLI_APP, "the name of a configured app"                  \
    }
#define OPTIONAL_APP                                                           \
    {                                                                          \
        "APP", true, CLI_APP, "one app; without it: all"                       \
    }

const struct cli_command cli_commands[] = {
    {
        .name = "run",
        .summary = "serve, in the foreground",
        .details = "QUIT drains and stops, TERM and INT stop at once.",
        .common = CLI_READS_FILE,
        .run = cli_run,
    },
    {
        .name = "check",
        .summary = "check a configuration file",
        .common = CLI_READS_FILE,
        .options = {{"host", 0, CLI_FLAG, NULL,
                     "also whether this host and its Podman can do what it "
                     "asks"}},
        .run = cli_check,
    },
    {
        .name = "config",
        .summary = "print the effective configuration",
        .details = "Every default is filled in; secrets are masked.",
        .common = CLI_READS_FILE,
        .run = cli_config,
    },
    {
        .name = "status",
        .summary = "show how the apps of a running berth do",
        .details = "With APP: its replicas, last start, last error and last "
                   "events.",
        .common = CLI_CONNECTS | CLI_PRINTS_DATA,
        .arguments = {OPTIONAL_APP},
        .options = {{"watch", 'w', CLI_FLAG, NULL,
                     "again every second, until Ctrl-C"}},
        .run = cli_status,
    },
    {
        .name = "top",
        .summary = "show how the apps do, live, with their queues' past",
        .details = "Each bar is a second; q or Ctrl-C ends it.",
        .common = CLI_CONNECTS,
        .run = cli_top,
    },
    {
        .name = "routes",
        .summary = "show what goes where",
        .common = CLI_CONNECTS | CLI_PRINTS_DATA,
        .run = cli_routes,
    },
    {
        .name = "why",
        .summary = "show the last starts of an app, and why they failed",
        .details = "Each phase with its time, what was evicted for it, and the "
                   "last lines of what failed.",
        .common = CLI_CONNECTS | CLI_PRINTS_DATA,
        .arguments = {APP},
        .run = cli_why,
    },
    {
        .name = "events",
        .summary = "show what happened, with reasons and durations",
        .common = CLI_CONNECTS | CLI_PRINTS_DATA,
        .arguments = {OPTIONAL_APP},
        .options = {{"follow", 'f', CLI_FLAG, NULL,
                     "and what happens from now on"},
                    {"tail", 'n', CLI_NUMBER, "N",
                     "no more than the last N of those that are known"}},
        .run = cli_events,
    },
    {
        .name = "logs",
        .summary = "show the output of an app's containers",
        .details = "Each line begins with its replica. What a replica said "
                   "before it failed to start stands in \"berth why\".",
        .common = CLI_CONNECTS | CLI_PRINTS_DATA,
        .arguments = {APP},
        .options = {{"follow", 'f', CLI_FLAG, NULL,
                     "and what comes from now on, of replicas to come, too"},
                    {"tail", 'n', CLI_NUMBER, "N",
                     "the last N lines of each replica; without it all that is "
                     "kept, with -f 100"},
                    {"replica", 'r', CLI_TEXT, "ID",
                     "only of this one: a-3, or 3"},
                    {"sidecar", 's', CLI_TEXT, "NAME",
                     "of this container of the pod, not the app's own"}},
        .run = cli_logs,
    },
    {
        .name = "pull",
        .summary = "pull an app's image anew",
        .details = "Replicas stay of the image that they are of, those that "
                   "start later as well: a reload or \"berth restart\" changes "
                   "to the new one." ACTION_DETAILS,
        .common = CLI_CONNECTS | CLI_PRINTS_DATA,
        .arguments = {APP},
        .run = cli_act,
    },
    {
        .name = "wake",
        .summary = "have a replica of an app ready",
        .details =
            "It stays for idle_timeout, as after a request." ACTION_DETAILS,
        .common = CLI_CONNECTS | CLI_PRINTS_DATA,
        .arguments = {APP},
        .options = {{"for", 0, CLI_DURATION, "TIME",
                     "and kept for so long at least: 30m"}},
        .run = cli_act,
    },
    {
        .name = "freeze",
        .summary = "freeze the replicas of an app that have nothing to do",
        .details =
            "The next request thaws one in about a millisecond." ACTION_DETAILS,
        .common = CLI_CONNECTS | CLI_PRINTS_DATA,
        .arguments = {APP},
        .run = cli_act,
    },
    {
        .name = "hibernate",
        .summary = "give the memory of an app's idle replicas to swap",
        .details =
            "They are frozen, too; the next request wakes one." ACTION_DETAILS,
        .common = CLI_CONNECTS | CLI_PRINTS_DATA,
        .arguments = {APP},
        .run = cli_act,
    },
    {
        .name = "restart",
        .summary = "replace all replicas of an app",
        .details = "Each new one is ready before an old one goes. What failed "
                   "before is tried again." ACTION_DETAILS,
        .common = CLI_CONNECTS | CLI_PRINTS_DATA,
        .arguments = {APP},
        .run = cli_act,
    },
    {
        .name = "scale",
        .summary = "set the least number of replicas of an app",
        .details = "In the place of the configured minimum, until the next "
                   "reload or restart of berth; requests may still ask for "
                   "more. 0 lets the app sleep at once." ACTION_DETAILS,
        .common = CLI_CONNECTS | CLI_PRINTS_DATA,
        .arguments = {APP, {"N", false, CLI_NUMBER, "how many"}},
        .run = cli_act,
    },
    {
        .name = "reload",
        .summary = "apply the configuration as it is in its files now",
        .details = "All of it or nothing: what is wrong is shown, and the one "
                   "before stays in force. Waits until replaced apps are "
                   "rolled out, and fails if one was rolled back.",
        .common = CLI_CONNECTS | CLI_PRINTS_DATA,
        .options = {{"no-wait", 0, CLI_FLAG, NULL,
                     "come back when it is in force, not when replaced apps "
                     "are rolled out"}},
        .run = cli_reload,
    },
    {
        .name = "stop",
        .summary = "drain and stop a running berth, and wait for its end",
        .common = CLI_CONNECTS,
        .options = {{"keep-containers", 0, CLI_FLAG, NULL,
                     "leave them running for the next start, whatever on_exit "
                     "says"}},
        .run = cli_stop,
    },
    {
        .name = "completion",
        .summary = "print what completes berth's commands in a shell",
        .details = "For bash: eval \"$(berth completion bash)\". apps: the "
                   "names of the running berth's apps, which those ask for.",
        .common = CLI_CONNECTS,
        .arguments = {{"bash|zsh|fish|apps", false, CLI_WORD, "the shell"}},
        .run = cli_completion,
    },
    {
        .name = "manual",
        .summary = "print a manual page, for man -l -",
        .arguments = {{"berth|berth.conf", false, CLI_WORD, "which one"}},
        .run = cli_manual,
    },
    {
        .name = "help",
        .summary = "list the commands, or show the options of one",
        .arguments = {{"COMMAND", true, CLI_COMMAND, "its name"}},
        .run = cli_help,
    },
    {.name = NULL},
};

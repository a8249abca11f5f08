#include "lifecycle/podman_pull.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* Feed lines, separated by \n; the result's code, progress in *ret. */
static enum err_code feed(const char *text, struct engine_progress *ret,
                          struct err *err)
{
    struct podman_pull *pull = podman_pull_new();
    struct strview rest = sv_of(text);
    struct strview line;
    enum err_code code = ERR_NONE;

    while (sv_split(&rest, '\n', &line)) {
        if (line.len > 0)
            podman_pull_line(pull, line);
    }
    if (!podman_pull_result(pull, err))
        code = err->code;
    *ret = *podman_pull_progress(pull);
    podman_pull_free(&pull);
    return code;
}

#define LAYER(status, id)                                                      \
    "{\"status\":\"" status "\",\"progressDetail\":{},\"id\":\"" id "\"}\n"

Test(podman_pull, streams_of_all_versions_are_understood)
{
    static const struct {
        const char *label;
        const char *stream;
        enum err_code code;
        unsigned done;
        unsigned known;
        const char *text; /* a part of the reason */
    } cases[] = {
        {"two layers, in order",
         LAYER("Pulling fs layer", "aaa") LAYER("Pulling fs layer", "bbb")
             LAYER("Download complete", "aaa") LAYER("Download complete", "bbb")
                 LAYER("Download complete", "ccc"),
         ERR_NONE, 3, 3, NULL},
        {"4.3.1 as it was: the image's own configuration counts",
         LAYER("Already exists", "ac2546490958")
             LAYER("Pulling fs layer", "94a04f1291a1")
                 LAYER("Download complete", "94a04f1291a1")
                     LAYER("Pulling fs layer", "dce53dcdd5dd")
                         LAYER("Download complete", "dce53dcdd5dd")
                             LAYER("Download complete", "dce53dcdd5dd"),
         ERR_NONE, 3, 3, NULL},
        {"half of it",
         LAYER("Pulling fs layer", "aaa") LAYER("Pulling fs layer", "bbb")
             LAYER("Download complete", "bbb"),
         ERR_NONE, 1, 2, NULL},
        {"a layer counts once",
         LAYER("Pulling fs layer", "aaa") LAYER("Download complete", "aaa")
             LAYER("Pull complete", "aaa") LAYER("Download complete", "aaa"),
         ERR_NONE, 1, 1, NULL},
        {"Docker's other words",
         LAYER("Pulling from library/x", "1.27") LAYER("Already exists", "aaa")
             LAYER("Downloading", "bbb") LAYER("Verifying Checksum", "bbb"),
         ERR_NONE, 1, 2, NULL},
        {"nothing to do", "{\"status\":\"Already there\"}\n", ERR_NONE, 0, 0,
         NULL},
        {"4.3: no such image",
         "{\"progressDetail\":{},\"error\":\"initializing source "
         "docker://127.0.0.1:5000/x:1: reading manifest 1 in "
         "127.0.0.1:5000/x: manifest unknown: manifest unknown\"}\n",
         ERR_NOT_FOUND, 0, 0, "manifest unknown"},
        {"4.3: no registry",
         "{\"progressDetail\":{},\"errorDetail\":{\"message\":\"x\"},"
         "\"error\":\"pinging container registry 127.0.0.1:9: Get "
         "\\\"https://127.0.0.1:9/v2/\\\": dial tcp 127.0.0.1:9: connect: "
         "connection refused\"}\n",
         ERR_UNAVAILABLE, 0, 0, "connection refused"},
        {"4.3: credentials",
         "{\"error\":\"Requesting bear token: unauthorized: authentication "
         "required\"}\n",
         ERR_DENIED, 0, 0, "unauthorized"},
        {"detail only",
         "{\"errorDetail\":{\"message\":\"write /x: no space left on "
         "device\"}}\n",
         ERR_FAILED, 0, 0, "no space left"},
        {"an error after layers, the first one counts",
         LAYER("Pulling fs layer",
               "aaa") "{\"error\":\"copying blob: unexpected EOF\"}\n"
                      "{\"error\":\"and then: manifest unknown\"}\n",
         ERR_UNAVAILABLE, 0, 1, "unexpected EOF"},
        {"no JSON", "<html>\n", ERR_PROTOCOL, 0, 0, "JSON"},
        {"no object", "[1]\n", ERR_PROTOCOL, 0, 0, "JSON"},
        {"cut in the middle", "{\"status\":\"Pull\n", ERR_PROTOCOL, 0, 0,
         "JSON"},
        {"other types", "{\"status\":1,\"id\":{},\"error\":null}\n", ERR_NONE,
         0, 0, NULL},
        {"an empty id", LAYER("Pulling fs layer", ""), ERR_NONE, 0, 0, NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct engine_progress progress;
        struct err err = {0};

        cr_expect_eq(feed(cases[i].stream, &progress, &err), cases[i].code,
                     "%s: %s", cases[i].label, err.text);
        cr_expect_eq(progress.layers_done, cases[i].done, "%s: done",
                     cases[i].label);
        cr_expect_eq(progress.layers_known, cases[i].known, "%s: known",
                     cases[i].label);
        if (cases[i].text)
            cr_expect_not_null(strstr(err.text, cases[i].text), "%s: %s",
                               cases[i].label, err.text);
    }
}

Test(podman_pull, a_line_tells_whether_the_progress_changed)
{
    struct podman_pull *pull = podman_pull_new();

    cr_assert(podman_pull_line(pull, sv_of(LAYER("Pulling fs layer", "a"))));
    cr_assert_not(
        podman_pull_line(pull, sv_of(LAYER("Pulling fs layer", "a"))));
    cr_assert(podman_pull_line(pull, sv_of(LAYER("Download complete", "a"))));
    cr_assert_not(
        podman_pull_line(pull, sv_of(LAYER("Download complete", "a"))));
    podman_pull_free(&pull);
}

Test(podman_pull, endless_layers_cost_no_memory)
{
    struct podman_pull *pull = podman_pull_new();

    for (unsigned i = 0; i < 2 * PODMAN_PULL_LAYERS_MAX; i++) {
        char line[128];

        snprintf(line, sizeof line,
                 "{\"status\":\"Pulling fs layer\",\"id\":\"%u\"}", i);
        podman_pull_line(pull, sv_of(line));
    }
    cr_assert_eq(podman_pull_progress(pull)->layers_known,
                 PODMAN_PULL_LAYERS_MAX);
    podman_pull_free(&pull);
}

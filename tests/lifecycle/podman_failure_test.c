/* podman_failure_test.c */
#include "lifecycle/podman_failure.h"

#include <criterion/criterion.h>
#include <string.h>

#include "router/base/attr.h"

Test(podman_failure, goes_by_the_words_before_the_status)
{
    static const struct {
        unsigned status;
        const char *message;
        enum err_code code;
        const char *cure; /* NULL: none is known */
    } cases[] = {
        {500, "localhost/a:1: image not known", ERR_NOT_FOUND, NULL},
        {404, "localhost/a:1: image not known", ERR_NOT_FOUND, NULL},
        {500, "no such container", ERR_NOT_FOUND, NULL},
        {404, "whatever", ERR_NOT_FOUND, NULL},
        {500, "the container name is already in use", ERR_EXISTS, NULL},
        {500, "cannot listen: address already in use", ERR_FAILED, NULL},
        {403, "no", ERR_DENIED, NULL},
        {500, "crun: cgroups in hybrid mode not supported", ERR_FAILED,
         "podman { runtime runc; }"},
        {500, "netavark: No such file or directory", ERR_FAILED,
         "install iptables"},
        {409, "error setting rlimit type 7", ERR_FAILED, "default_ulimits"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};

        cr_expect_not(
            podman_failure_set(&err, cases[i].status, cases[i].message));
        cr_expect_eq(err.code, cases[i].code, "%s", cases[i].message);
        cr_expect_eq(
            strncmp(err.text, cases[i].message, strlen(cases[i].message)), 0,
            "%s", err.text);
        cr_expect_eq(strstr(err.text, "; cure: ") != NULL,
                     cases[i].cure != NULL, "%s", err.text);
        if (cases[i].cure)
            cr_expect_not_null(strstr(err.text, cases[i].cure), "%s", err.text);
    }
}

Test(podman_failure, of_a_pull_goes_by_what_the_registry_said)
{
    static const struct {
        const char *message;
        enum err_code code;
    } cases[] = {
        {"unauthorized: authentication required", ERR_DENIED},
        {"x509: certificate signed by unknown authority", ERR_DENIED},
        {"manifest unknown", ERR_NOT_FOUND},
        {"dial tcp 127.0.0.1:1: connect: connection refused", ERR_UNAVAILABLE},
        {"unexpected EOF", ERR_UNAVAILABLE},
        {"toomanyrequests: slow down", ERR_UNAVAILABLE},
        {"something else", ERR_FAILED},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_expect_eq(podman_failure_pull_code(500, cases[i].message),
                     cases[i].code, "%s", cases[i].message);
    cr_expect_eq(podman_failure_pull_code(401, "no"), ERR_DENIED);
}

/* podman_failure.c - what Podman's words of failure mean, and what helps. */
#include "lifecycle/podman_failure.h"

#include <string.h>

/* What Podman says, and what to do about it: errors that a new host meets. */
static const struct {
    const char *said;
    const char *cure;
} cures[] = {
    {"cgroups in hybrid mode not supported",
     "set `runtime = \"runc\"` under [engine] in containers.conf, or `podman "
     "{ runtime runc; }` where berth starts the service itself"},
    {"error setting rlimit",
     "Podman asks for more than this host allows: set `default_ulimits` under "
     "[containers] in containers.conf, or `ulimit` in the app (which does not "
     "help one with sidecars: its pod takes its own from containers.conf)"},
    {"netavark: No such file or directory",
     "install iptables: Podman's networks need it"},
    {"could not find \"netavark\"", "install netavark"},
    {"is not a valid short name", "give the image's full name"},
    {"short-name", "give the image's full name"},
};

static const char *cure_of(const char *message)
{
    for (size_t i = 0; i < sizeof cures / sizeof cures[0]; i++) {
        if (strcasestr(message, cures[i].said))
            return cures[i].cure;
    }
    return NULL;
}

static enum err_code code_of(unsigned status, const char *message)
{
    /* Before the status: 4.3 says 500 for these. */
    if (strstr(message, "image not known") ||
        strstr(message, "no such container") ||
        strstr(message, "network not found"))
        return ERR_NOT_FOUND;
    /* Not of a port or a subnet that is taken: nothing is there already. */
    if (strstr(message, "name is already in use") ||
        strstr(message, "network already exists"))
        return ERR_EXISTS;
    if (status == 404)
        return ERR_NOT_FOUND;
    if (status == 401 || status == 403)
        return ERR_DENIED;
    return ERR_FAILED;
}

bool podman_failure_set(struct err *err, unsigned status, const char *message)
{
    const char *cure = cure_of(message);

    return err_set(err, code_of(status, message), "%s%s%s", message,
                   cure ? "; cure: " : "", cure ? cure : "");
}

enum err_code podman_failure_pull_code(unsigned status, const char *message)
{
    static const struct {
        const char *said;
        enum err_code code;
    } words[] = {
        {"unauthorized", ERR_DENIED},
        {"authentication required", ERR_DENIED},
        {"access to the resource is denied", ERR_DENIED},
        {"denied:", ERR_DENIED},
        {"forbidden", ERR_DENIED},
        {"x509:", ERR_DENIED},
        {"manifest unknown", ERR_NOT_FOUND},
        {"name unknown", ERR_NOT_FOUND},
        {"not found", ERR_NOT_FOUND},
        {"no such host", ERR_UNAVAILABLE},
        {"connection refused", ERR_UNAVAILABLE},
        {"connection reset", ERR_UNAVAILABLE},
        {"timeout", ERR_UNAVAILABLE},
        {"EOF", ERR_UNAVAILABLE},
        {"server misbehaving", ERR_UNAVAILABLE},
        {"toomanyrequests", ERR_UNAVAILABLE},
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasestr(message, words[i].said))
            return words[i].code;
    }
    return code_of(status, message);
}

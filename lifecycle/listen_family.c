/* listen_family.c - by which family of loopback a process is reached. */
#include "lifecycle/listen_family.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

#define TCP_STATE_LISTEN 0x0A

/* One of /proc's tables (proc(5): sl, local_address, rem_address, st, …). */
static bool has_listener(int pid, const char *table, unsigned port)
{
    char path[64];
    char line[512];
    bool found = false;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/net/%s", pid, table);
    file = fopen(path, "re");
    if (!file)
        return false;
    while (!found && fgets(line, sizeof line, file)) {
        unsigned local_port;
        unsigned state;

        found = sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x",
                       &local_port, &state) == 2 &&
                local_port == port && state == TCP_STATE_LISTEN;
    }
    fclose(file);
    return found;
}

int listen_family(int pid, unsigned port)
{
    if (has_listener(pid, "tcp", port))
        return AF_INET;
    return has_listener(pid, "tcp6", port) ? AF_INET6 : 0;
}

/* port_owner.c - which process listens on a TCP port. */
#include "lifecycle/port_owner.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TCP_STATE_LISTEN 0x0A
#define MAX_INODES       32

struct inodes {
    unsigned count;
    unsigned long items[MAX_INODES];
};

/* The inodes of the sockets that listen on `port`, of one of /proc's tables
 * (proc(5): sl, local_address, rem_address, st, …, inode as the tenth). */
static void add_listeners(const char *table, unsigned port,
                          struct inodes *inodes)
{
    FILE *file = fopen(table, "re");
    char line[512];

    if (!file)
        return;
    while (inodes->count < MAX_INODES && fgets(line, sizeof line, file)) {
        unsigned local_port;
        unsigned state;
        unsigned long inode;

        if (sscanf(line,
                   " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s "
                   "%*s %*u %*d %lu",
                   &local_port, &state, &inode) == 3 &&
            local_port == port && state == TCP_STATE_LISTEN)
            inodes->items[inodes->count++] = inode;
    }
    fclose(file);
}

static bool is_wanted(const char *link, const struct inodes *inodes)
{
    unsigned long inode;

    if (sscanf(link, "socket:[%lu]", &inode) != 1)
        return false;
    for (unsigned i = 0; i < inodes->count; i++) {
        if (inodes->items[i] == inode)
            return true;
    }
    return false;
}

static bool process_has(const char *pid, const struct inodes *inodes)
{
    char path[64];
    DIR *dir;
    const struct dirent *entry;
    bool found = false;

    snprintf(path, sizeof path, "/proc/%.16s/fd", pid);
    dir = opendir(path);
    if (!dir)
        return false;
    while (!found && (entry = readdir(dir))) {
        char link[64];
        ssize_t n =
            readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);

        if (n > 0) {
            link[n] = '\0';
            found = is_wanted(link, inodes);
        }
    }
    closedir(dir);
    return found;
}

static void describe(const char *pid, char *ret_text, size_t size)
{
    char path[64];
    char name[32] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/%.16s/comm", pid);
    file = fopen(path, "re");
    if (file) {
        if (fgets(name, sizeof name, file))
            name[strcspn(name, "\n")] = '\0';
        fclose(file);
    }
    snprintf(ret_text, size, "%s (pid %.16s)", name[0] ? name : "a process",
             pid);
}

bool port_owner_find(unsigned port, char *ret_text, size_t size)
{
    struct inodes inodes = {.count = 0};
    DIR *proc;
    const struct dirent *entry;
    bool found = false;

    add_listeners("/proc/net/tcp", port, &inodes);
    add_listeners("/proc/net/tcp6", port, &inodes);
    if (inodes.count == 0)
        return false;
    proc = opendir("/proc");
    if (!proc)
        return false;
    while (!found && (entry = readdir(proc))) {
        if (isdigit((unsigned char)entry->d_name[0]) &&
            process_has(entry->d_name, &inodes)) {
            describe(entry->d_name, ret_text, size);
            found = true;
        }
    }
    closedir(proc);
    return found;
}

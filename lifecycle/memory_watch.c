/* memory_watch.c - how much memory the machine has left. */
#include "lifecycle/memory_watch.h"

#include <inttypes.h>
#include <stdio.h>

#include "router/base/alloc.h"

#define SHORT_SHARE     10 /* available: a tenth of all */
#define PLENTY_SHARE    4
#define STALLED_PERCENT 10.0

static FILE *open_in(const char *proc, const char *name)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", proc, name);

    return fopen(path, "re");
}

/* Kernels without PSI have no such file. */
static double read_stalled(const char *proc)
{
    FILE *file = open_in(proc, "pressure/memory");
    char line[256];
    double percent = 0;

    if (!file)
        return 0;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "full avg10=%lf", &percent) == 1)
            break;
    }
    fclose(file);
    return percent;
}

bool memory_watch_read(const char *proc, struct memory_watch *ret_watch)
{
    FILE *file = open_in(proc, "meminfo");
    struct memory_watch watch = {0};
    bool has_available = false;
    char line[256];
    uint64_t kib;

    if (!file)
        return false;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "MemTotal: %" SCNu64, &kib) == 1)
            watch.total_bytes = kib << 10;
        else if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1) {
            watch.available_bytes = kib << 10;
            has_available = true;
        }
    }
    fclose(file);
    if (watch.total_bytes == 0 || !has_available)
        return false;
    watch.stalled_percent = read_stalled(proc);
    *ret_watch = watch;
    return true;
}

bool memory_watch_is_short(const struct memory_watch *watch)
{
    return watch->total_bytes > 0 &&
           (watch->available_bytes < watch->total_bytes / SHORT_SHARE ||
            watch->stalled_percent >= STALLED_PERCENT);
}

bool memory_watch_is_plenty(const struct memory_watch *watch)
{
    return watch->available_bytes > watch->total_bytes / PLENTY_SHARE;
}

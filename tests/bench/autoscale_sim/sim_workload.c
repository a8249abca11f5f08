/* sim_workload.c - requests to come, and how a trace is read. */
#include "tests/bench/autoscale_sim/sim_workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"

void sim_workload_done(struct sim_workload *workload)
{
    free(workload->arrivals);
    *workload = (struct sim_workload){0};
}

void sim_workload_add(struct sim_workload *workload, double at_s,
                      double service_s)
{
    if (workload->count == workload->room) {
        workload->room = workload->room ? 2 * workload->room : 1024;
        workload->arrivals = xrealloc(
            workload->arrivals, workload->room * sizeof *workload->arrivals);
    }
    workload->arrivals[workload->count++] = (struct sim_arrival){
        (uint64_t)(at_s * 1e6), (uint64_t)(service_s * 1e6) + 1};
}

static int compare(const void *a, const void *b)
{
    const struct sim_arrival *x = a;
    const struct sim_arrival *y = b;

    return (x->at_us > y->at_us) - (x->at_us < y->at_us);
}

void sim_workload_sort(struct sim_workload *workload, double end_s)
{
    if (workload->count > 0)
        qsort(workload->arrivals, workload->count, sizeof *workload->arrivals,
              compare);
    workload->end_us = (uint64_t)(end_s * 1e6);
    if (workload->count > 0 &&
        workload->arrivals[workload->count - 1].at_us > workload->end_us)
        workload->end_us = workload->arrivals[workload->count - 1].at_us;
}

/* Days since the epoch of the proleptic Gregorian calendar's year 0 March 1st,
 * up to a constant: differences are what counts. */
static double days_of(int year, int month, int day)
{
    if (month < 3) {
        year--;
        month += 12;
    }
    return 365.0 * year + year / 4 - year / 100 + year / 400 +
           (153 * (month - 3) + 2) / 5 + day;
}

static bool parse_row(const char *line, double *ret_at_s, double *ret_prompt,
                      double *ret_generated)
{
    int year;
    int month;
    int day;
    int hour;
    int minute;
    double second;

    if (sscanf(line, "%d-%d-%d%*c%d:%d:%lf,%lf,%lf", &year, &month, &day, &hour,
               &minute, &second, ret_prompt, ret_generated) != 8)
        return false;
    *ret_at_s =
        days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return *ret_prompt >= 0 && *ret_generated >= 0;
}

static bool read_rows(struct sim_workload *workload, FILE *file,
                      const struct sim_service_model *model, double minutes,
                      double speed, struct err *err)
{
    char line[512];
    double first_s = 0;
    double last_s = 0;
    unsigned number = 0;

    while (fgets(line, sizeof line, file)) {
        double at_s;
        double prompt;
        double generated;

        number++;
        if (number == 1 && strncmp(line, "TIMESTAMP", 9) == 0)
            continue;
        if (line[strspn(line, "\r\n \t")] == '\0')
            continue;
        if (!parse_row(line, &at_s, &prompt, &generated))
            return err_set(err, ERR_INVALID,
                           "line %u is not TIMESTAMP,tokens,tokens", number);
        if (workload->count == 0)
            first_s = at_s;
        if (minutes > 0 && at_s - first_s >= minutes * 60)
            continue;
        last_s = (at_s - first_s) / speed;
        sim_workload_add(workload, last_s,
                         (model->base_ms + prompt * model->ms_per_prompt_token +
                          generated * model->ms_per_generated_token) /
                             1e3);
    }
    if (workload->count == 0)
        return err_set(err, ERR_INVALID, "there is no request in it");
    sim_workload_sort(workload, minutes > 0 ? minutes * 60 / speed : last_s);
    return true;
}

bool sim_workload_read_trace(struct sim_workload *workload, const char *path,
                             const struct sim_service_model *model,
                             double minutes, double speed, struct err *err)
{
    FILE *file = fopen(path, "re");
    bool ok;

    if (!file)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    ok = read_rows(workload, file, model, minutes, speed, err);
    fclose(file);
    return ok;
}

/* machine.h - what berth may hand out of this host: CPUs, memory, devices.
 *
 * From the configuration, the kernel and the CDI specifications. Constant once
 * made. Thread: any.
 */
#ifndef LIFECYCLE_MACHINE_H
#define LIFECYCLE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/settings.h"
#include "router/base/attr.h"
#include "router/base/strbuf.h"
#include "router/placement.h"

struct machine {
    struct placement_machine totals;
    char *devices[PLACEMENT_DEVICES]; /* CDI names, totals.device_count */
};

/* Directories of CDI specifications, a later one goes before an earlier one;
 * NULL ends it. */
extern const char *const machine_cdi_dirs[];

/* What there is. *ret_problems: a line for each thing in the settings that this
 * host does not have (a device); *ret_notes: for each specification that could
 * not be used. cdi_dirs NULL: machine_cdi_dirs. Reads files, blocks. */
MUST_USE struct machine *machine_new(const struct resource_settings *resources,
                                     const char *const *cdi_dirs,
                                     struct strbuf *ret_problems,
                                     struct strbuf *ret_notes);
/* The one that these settings mean, and whether each app fits on it: what is a
 * problem at `berth run`, at a reload, and for `berth check --host`. Notes are
 * logged. With a problem it is there, too. */
MUST_USE struct machine *machine_of(const struct lifecycle_settings *settings,
                                    struct strbuf *ret_problems);
void machine_free(struct machine **machine); /* NULL is skipped */

/* What one replica of the app reserves, its sidecars included. */
struct placement_need machine_need_of(const struct keeper_app *app);

/* A line for each app of which not one replica fits, even alone. */
void machine_check_apps(const struct machine *machine,
                        const struct lifecycle_settings *settings,
                        struct strbuf *ret_problems);

/* Position of a device; PLACEMENT_DEVICES: there is none of that name. */
uint32_t machine_find_device(const struct machine *machine,
                             struct strview name);

#endif

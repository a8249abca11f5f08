/* cdi_fuzz.c - CDI specifications are input: JSON after a 'j', YAML after any
 * other byte. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "lifecycle/cdi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned indices[8];
    struct err err = {.code = ERR_NONE};
    struct cdi *cdi;
    bool has_more;
    unsigned count;

    if (size == 0)
        return 0;
    cdi = cdi_new();
    if (!cdi_add_text(cdi, sv_make((const char *)data + 1, size - 1),
                      data[0] != 'j', &err) &&
        (err.code == ERR_NONE || cdi_count(cdi) != 0))
        abort();
    count = cdi_gpus(cdi, indices, 8, &has_more);
    for (unsigned i = 0; i < count; i++) {
        if (indices[i] >= cdi_count(cdi) ||
            cdi_find(cdi, cdi_name(cdi, indices[i])) != indices[i] ||
            !cdi_shares_node(cdi, indices[i], indices[i]))
            abort();
    }
    cdi_free(&cdi);
    return 0;
}

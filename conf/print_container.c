/* print_container.c - the newer directives of a container, printed. */
#include "conf/config_print.h"
#include "conf/units.h"

static const struct container_settings *
container_of_printer(const struct printer *p)
{
    return p->owner[OWNER_container_settings];
}

/* The names; what is in them, berth itself does not know. */
void directive_print_secret(struct printer *p, const struct directive *row)
{
    const struct container_settings *container = container_of_printer(p);

    for (uint32_t i = 0; i < container->secret_count; i++) {
        const struct secret_setting *secret = &container->secrets[i];
        AUTO(strbuf_done) struct strbuf target = STRBUF_INIT;

        printer_begin(p, row->name);
        printer_word(p, secret->name);
        if (secret->target) {
            strbuf_printf(&target, "%s=%s", secret->is_env ? "env" : "target",
                          secret->target);
            printer_word(p, target.data);
        }
        printer_end(p);
    }
}

void directive_print_tmpfs(struct printer *p, const struct directive *row)
{
    const struct container_settings *container = container_of_printer(p);

    for (uint32_t i = 0; i < container->tmpfs_count; i++) {
        const struct tmpfs_setting *tmpfs = &container->tmpfs[i];
        AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
        char size[UNITS_TEXT_SIZE];

        units_format_size(tmpfs->size_bytes, size);
        strbuf_printf(&text, "%s%s%s", tmpfs->destination,
                      tmpfs->size_bytes ? ":" : "",
                      tmpfs->size_bytes ? size : "");
        printer_begin(p, row->name);
        printer_word(p, text.data);
        printer_end(p);
    }
}

/* A line each: the list itself may be as long as no line is. */
static void print_each(struct printer *p, const struct directive *row,
                       const struct string_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        printer_begin(p, row->name);
        printer_word(p, list->items[i]);
        printer_end(p);
    }
}

void directive_print_device(struct printer *p, const struct directive *row)
{
    print_each(p, row, &container_of_printer(p)->devices);
}

void directive_print_cap_add(struct printer *p, const struct directive *row)
{
    print_each(p, row, &container_of_printer(p)->cap_add);
}

void directive_print_cap_drop(struct printer *p, const struct directive *row)
{
    print_each(p, row, &container_of_printer(p)->cap_drop);
}

void directive_print_security_opt(struct printer *p,
                                  const struct directive *row)
{
    print_each(p, row, &container_of_printer(p)->security_opts);
}

void directive_print_annotation(struct printer *p, const struct directive *row)
{
    const struct name_values *pairs = &container_of_printer(p)->annotations;

    for (uint32_t i = 0; i < pairs->count; i++) {
        printer_begin(p, row->name);
        printer_word(p, pairs->items[i].name);
        printer_word(p, pairs->items[i].value);
        printer_end(p);
    }
}

/* The path; what is in the file is never printed. */
void directive_print_auth_file(struct printer *p, const struct directive *row)
{
    const char *path = p->config->lifecycle->podman.auth_file;

    if (!path) {
        printer_default(p, row);
        return;
    }
    printer_begin(p, row->name);
    printer_word(p, path);
    printer_end(p);
}

/* --- setup ------------------------------------------------------------------
 */

void directive_print_setup_copy(struct printer *p, const struct directive *row)
{
    if (!p->setup_step || p->setup_step->kind != SETUP_COPY)
        return;
    printer_begin(p, row->name);
    printer_word(p, p->setup_step->source);
    printer_word(p, p->setup_step->destination);
    printer_end(p);
}

void directive_print_setup_run(struct printer *p, const struct directive *row)
{
    const struct setup_step *step = p->setup_step;

    if (!step || step->kind != SETUP_RUN)
        return;
    printer_begin(p, row->name);
    for (uint32_t i = 0; i < step->command.count; i++)
        printer_word(p, step->command.items[i]);
    printer_end(p);
}

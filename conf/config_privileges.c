/* config_privileges.c - what an app's container may do: capabilities, and what
 * protects the host from it.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "conf/config_shared.h"
#include "conf/scalar.h"

static struct container_settings *container_of_block(struct block *block)
{
    return block->owner[OWNER_container_settings];
}

/* --- capabilities ----------------------------------------------------------
 */

/* capabilities(7), Linux 6.6. */
static const char capabilities[] =
    "all|audit_control|audit_read|audit_write|block_suspend|bpf|"
    "checkpoint_restore|chown|dac_override|dac_read_search|fowner|fsetid|"
    "ipc_lock|ipc_owner|kill|lease|linux_immutable|mac_admin|mac_override|"
    "mknod|net_admin|net_bind_service|net_broadcast|net_raw|perfmon|setfcap|"
    "setgid|setpcap|setuid|sys_admin|sys_boot|sys_chroot|sys_module|sys_nice|"
    "sys_pacct|sys_ptrace|sys_rawio|sys_resource|sys_time|sys_tty_config|"
    "syslog|wake_alarm";

/* "net_admin" of "CAP_NET_ADMIN", "NET_ADMIN", "net_admin". */
static char *plain_name(struct builder *builder, const char *text)
{
    char *name;

    if (strncasecmp(text, "CAP_", 4) == 0)
        text += 4;
    name = arena_copy(builder->arena, sv_of(text));
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return name;
}

/* As the OCI runtime has them: CAP_NET_ADMIN; and ALL, as Podman does. */
static const char *full_name(struct builder *builder, const char *plain)
{
    bool is_all = strcmp(plain, "all") == 0;
    char *name = arena_copy(builder->arena, sv_of(plain));

    for (char *c = name; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return is_all ? name : arena_printf(builder->arena, "CAP_%s", name);
}

static void add_capabilities(struct builder *builder, struct block *block,
                             const struct conf_node *node,
                             struct string_list *list)
{
    for (unsigned i = 0; i < node->arg_count; i++) {
        char *plain = plain_name(builder, node->args[i].text);
        const char *name = full_name(builder, plain);
        unsigned index;

        if (!directive_word_index(capabilities, plain, &index)) {
            struct suggestion suggestion = suggestion_of(plain);
            struct strview known;

            for (unsigned j = 0; (known = directive_word(capabilities, j)).ptr;
                 j++)
                suggestion_offer(&suggestion,
                                 arena_copy(builder->arena, known));
            builder_error(builder, node->args[i].place,
                          "there is no capability \"%.80s\"%s",
                          node->args[i].text,
                          builder_hint(builder, &suggestion));
        } else if (builder_once(builder, block, node, name)) {
            config_list_add(list, name);
        }
    }
}

void directive_set_cap_add(struct builder *builder, struct block *block,
                           const struct conf_node *node)
{
    add_capabilities(builder, block, node, &container_of_block(block)->cap_add);
}

void directive_set_cap_drop(struct builder *builder, struct block *block,
                            const struct conf_node *node)
{
    add_capabilities(builder, block, node,
                     &container_of_block(block)->cap_drop);
}

/* --- security_opt ----------------------------------------------------------
 */

/* NULL when it is one; else what is wrong with it. */
static const char *option_trouble(const char *text)
{
    static const char *const with_value[] = {
        "seccomp=", "apparmor=", "label=", "mask=", "unmask="};
    const char *value = strchr(text, '=');

    if (strcmp(text, "no-new-privileges") == 0 ||
        strcmp(text, "no-new-privileges=true") == 0 ||
        strcmp(text, "no-new-privileges=false") == 0)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(with_value); i++) {
        if (strncmp(text, with_value[i], strlen(with_value[i])) != 0)
            continue;
        if (!*++value)
            return "needs a value behind the =";
        if (strcmp(with_value[i], "seccomp=") == 0 &&
            strcmp(value, "unconfined") != 0 && !scalar_is_path(value))
            return "takes unconfined, or the absolute path of a profile";
        return NULL;
    }
    return "is none of no-new-privileges, seccomp=, apparmor=, label=, mask= "
           "and unmask=";
}

void directive_set_security_opt(struct builder *builder, struct block *block,
                                const struct conf_node *node)
{
    const struct conf_arg *arg = &node->args[0];
    const char *trouble = option_trouble(arg->text);

    if (trouble)
        builder_error(builder, arg->place, "security_opt \"%.80s\" %s",
                      arg->text, trouble);
    else if (builder_once(builder, block, node, arg->text))
        config_list_add(&container_of_block(block)->security_opts, arg->text);
}

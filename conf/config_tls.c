/* config_tls.c - TLS of a server, or of the admin listeners.
 *
 * The n-th tls_certificate_key is the key of the n-th tls_certificate.
 */
#include "conf/config_tls.h"

#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"

static struct tls_settings *settings_of(const struct block *block)
{
    struct admin_settings *admin = block->owner[OWNER_admin_settings];
    struct server_settings *server = block->owner[OWNER_server_settings];

    return block->where == IN_ADMIN ? &admin->tls : &server->tls;
}

/* The pair whose certificate, or key, this directive names. */
static struct tls_pair *pair_of(const struct block *block,
                                const struct conf_node *node)
{
    struct tls_settings *tls = settings_of(block);
    uint32_t index = 0;

    for (const struct conf_node *other = block->node->children; other != node;
         other = other->next)
        index += other->row == node->row;
    if (index >= tls->pair_count) {
        tls->pairs = xrealloc(tls->pairs, (index + 1) * sizeof *tls->pairs);
        tls->pairs[index] = (struct tls_pair){NULL, NULL, NULL, NULL};
        tls->pair_count = index + 1;
    }
    return &tls->pairs[index];
}

void directive_set_tls_certificate(struct builder *builder, struct block *block,
                                   const struct conf_node *node)
{
    struct tls_pair *pair = pair_of(block, node);

    builder_set_text(&pair->certificate_path,
                     builder_path(builder, node, node->args[0].text));
}

void directive_set_tls_certificate_key(struct builder *builder,
                                       struct block *block,
                                       const struct conf_node *node)
{
    struct tls_pair *pair = pair_of(block, node);

    builder_set_text(&pair->key_path,
                     builder_path(builder, node, node->args[0].text));
}

void directive_set_tls_protocols(struct builder *builder, struct block *block,
                                 const struct conf_node *node)
{
    static const char versions[] = "TLSv1.2|TLSv1.3";
    struct tls_settings *tls = settings_of(block);
    uint32_t min = TLS_VERSION_1_3;
    uint32_t max = TLS_VERSION_1_2;

    for (unsigned i = 0; i < node->arg_count; i++) {
        uint32_t version;
        unsigned index;

        if (!directive_word_index(versions, node->args[i].text, &index)) {
            builder_error_word(builder, node, node->args[i].text, versions);
            return;
        }
        version = TLS_VERSION_1_2 + index;
        min = version < min ? version : min;
        max = version > max ? version : max;
    }
    tls->min_version = min;
    tls->max_version = max;
}

void directive_set_tls_ciphers(struct builder *builder, struct block *block,
                               const struct conf_node *node)
{
    (void)builder;
    builder_set_text(&settings_of(block)->ciphers, node->args[0].text);
}

void directive_set_tls_client_ca(struct builder *builder, struct block *block,
                                 const struct conf_node *node)
{
    builder_set_text(&settings_of(block)->client_ca_path,
                     builder_path(builder, node, node->args[0].text));
}

bool config_tls_is_used(const struct block *block, enum directive_id id)
{
    for (const struct conf_node *node = block->node->children; node;
         node = node->next) {
        if (node->row != &directives[id])
            continue;
        for (unsigned i = 1; i < node->arg_count; i++)
            if (strcmp(node->args[i].text, "tls") == 0)
                return true;
    }
    return false;
}

static bool pairs_are_whole(struct builder *builder, const struct block *block,
                            const struct tls_settings *tls)
{
    const struct conf_node *certificate =
        block->seen[DIRECTIVE_tls_certificate];
    const struct conf_node *key = block->seen[DIRECTIVE_tls_certificate_key];

    for (uint32_t i = 0; i < tls->pair_count; i++) {
        const struct tls_pair *pair = &tls->pairs[i];

        if (pair->certificate_path && pair->key_path)
            continue;
        builder_error(builder, certificate ? certificate->place : key->place,
                      pair->key_path
                          ? "there is no \"tls_certificate\" for the key "
                            "\"%.200s\""
                          : "there is no \"tls_certificate_key\" for the "
                            "certificate \"%.200s\"",
                      pair->key_path ? pair->key_path : pair->certificate_path);
        return false;
    }
    return true;
}

static bool fits_together(struct builder *builder, const struct block *block,
                          const struct tls_settings *tls, bool is_used)
{
    if (builder->is_partial)
        return false;
    if (is_used && tls->pair_count == 0) {
        builder_error(builder, block->node->place,
                      "\"listen … tls\" needs \"tls_certificate\" and "
                      "\"tls_certificate_key\" in the same block");
        return false;
    }
    if (!is_used && tls->pair_count > 0)
        builder_warning(builder, block->node->place,
                        "there are certificates, but no \"listen\" says "
                        "\"tls\"");
    if (tls->verify != TLS_VERIFY_OFF && !tls->client_ca_path) {
        builder_error(builder, block->seen[DIRECTIVE_tls_verify_client]->place,
                      "\"tls_verify_client\" needs \"tls_client_ca\"");
        return false;
    }
    return pairs_are_whole(builder, block, tls);
}

static void load(struct builder *builder, const struct conf_node *node,
                 struct tls_settings *tls)
{
    struct err warning;
    struct err err;

    if (!tls_settings_load(tls, &err)) {
        bool is_missing = err.code == ERR_NOT_FOUND || err.code == ERR_DENIED;

        if (is_missing && builder->files == FILES_OPTIONAL)
            builder_warning(builder, node->place, "%.500s", err.text);
        else
            builder_error(builder, node->place, "%.500s", err.text);
        return;
    }
    if (!tls_settings_check(tls, &warning, &err))
        builder_error(builder, node->place, "%.500s", err.text);
    else if (warning.code != ERR_NONE)
        builder_warning(builder, node->place, "%.500s", warning.text);
}

void config_tls_finish(struct builder *builder, const struct block *block,
                       struct tls_settings *tls, bool is_used)
{
    const struct conf_node *node = block->seen[DIRECTIVE_tls_certificate];

    if (!fits_together(builder, block, tls, is_used) || tls->pair_count == 0 ||
        builder->files == FILES_NEVER_READ)
        return;
    load(builder, node, tls);
}

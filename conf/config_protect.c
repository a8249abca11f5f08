/* config_protect.c - who may use a route, and how often. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "conf/builder.h"
#include "conf/config_shared.h"
#include "conf/scalar.h"
#include "router/base/alloc.h"

/* Of a file of users or keys. */
#define SECRETS_SIZE_MAX (1U << 20)
#define USER_NAME_MAX    255
/* Beyond it one verification takes seconds. */
#define BCRYPT_COST_MAX   15
#define SHA512_ROUNDS_MAX 5000000

static struct protection_settings *protection_of(struct block *block)
{
    struct route_settings *route = block->owner[OWNER_route_settings];

    return &route->protection;
}

/* --- allow, deny
 * --------------------------------------------------------------
 */

static void add_rules(struct builder *builder, struct block *block,
                      const struct conf_node *node, bool allows)
{
    struct protection_settings *protection = protection_of(block);

    protection->rules =
        xrealloc(protection->rules, (protection->rule_count + node->arg_count) *
                                        sizeof *protection->rules);
    for (unsigned i = 0; i < node->arg_count; i++) {
        struct access_rule rule = {.allows = allows};
        struct err err;

        rule.is_all = strcmp(node->args[i].text, "all") == 0;
        if (rule.is_all ||
            address_range_parse(sv_of(node->args[i].text), &rule.range, &err))
            protection->rules[protection->rule_count++] = rule;
        else
            builder_error(builder, node->args[i].place, "\"%s\": %.300s",
                          node->name, err.text);
    }
}

void directive_set_allow(struct builder *builder, struct block *block,
                         const struct conf_node *node)
{
    add_rules(builder, block, node, true);
}

void directive_set_deny(struct builder *builder, struct block *block,
                        const struct conf_node *node)
{
    add_rules(builder, block, node, false);
}

/* --- lines of files
 * -----------------------------------------------------------
 */

/* Which line of which file, for messages about it. */
struct line_place {
    struct builder *builder;
    const struct conf_node *node;
    const char *path;
    unsigned number;
};

#define error_line(at, ...)                                                    \
    builder_error((at)->builder, (at)->node->place,                            \
                  "%s \"%.200s\", line %u: %s", (at)->node->name, (at)->path,  \
                  (at)->number, __VA_ARGS__)

/* The next line that is neither empty nor a comment; without line ends. */
static bool next_line(struct strview *rest, struct line_place *at,
                      struct strview *ret_line)
{
    struct strview line;

    while (rest->len > 0 && sv_split(rest, '\n', &line)) {
        at->number++;
        while (line.len > 0 && (line.ptr[line.len - 1] == '\r' ||
                                line.ptr[line.len - 1] == ' ' ||
                                line.ptr[line.len - 1] == '\t'))
            line.len--;
        if (line.len > 0 && line.ptr[0] != '#') {
            *ret_line = line;
            return true;
        }
    }
    return false;
}

static bool read_secrets(struct builder *builder, const struct conf_node *node,
                         const char *path, struct strbuf *text)
{
    static const struct source_limits limits = {.size_max = SECRETS_SIZE_MAX,
                                                .refuse_others = true};

    return config_read_file(builder, node, path, &limits, text);
}

static void wipe(struct strbuf *text)
{
    if (text->data)
        explicit_bzero(text->data, text->capacity);
    strbuf_done(text);
}

/* --- basic_auth_file
 * ----------------------------------------------------------
 */

static bool hash_fits(const struct line_place *at, struct strview hash)
{
    uint64_t number = 0;

    for (size_t i = 0; i < hash.len; i++)
        if (!isgraph((unsigned char)hash.ptr[i])) {
            error_line(at, "a hash has no spaces or control characters in it");
            return false;
        }
    if (hash.len == 60 && hash.ptr[0] == '$' && hash.ptr[1] == '2' &&
        strchr("aby", hash.ptr[2]) && hash.ptr[3] == '$' &&
        hash.ptr[6] == '$') {
        if (sv_to_u64(sv_make(hash.ptr + 4, 2), BCRYPT_COST_MAX, &number) &&
            number >= 4)
            return true;
        error_line(at, "bcrypt's cost must be 04 to 15");
        return false;
    }
    if (hash.len < 90 || !sv_starts(hash, SV("$6$"))) {
        error_line(at, "only bcrypt ($2y$…, `htpasswd -B`) and SHA-512 "
                       "($6$…, `openssl passwd -6`) are supported");
        return false;
    }
    if (sv_starts(hash, SV("$6$rounds="))) {
        struct strview rounds = sv_skip(hash, strlen("$6$rounds="));
        struct strview digits;

        if (!sv_split(&rounds, '$', &digits) ||
            !sv_to_u64(digits, SHA512_ROUNDS_MAX, &number)) {
            error_line(at, "rounds= must be at most 5000000");
            return false;
        }
    }
    return true;
}

static bool user_fits(const struct line_place *at, struct strview name)
{
    if (name.len == 0 || name.len > USER_NAME_MAX) {
        error_line(at, "a user's name has 1 to 255 bytes");
        return false;
    }
    for (size_t i = 0; i < name.len; i++)
        if (iscntrl((unsigned char)name.ptr[i])) {
            error_line(at, "a control character in a user's name");
            return false;
        }
    return true;
}

/* "name:hash[:comment]" */
static void add_user(struct basic_file *file, const struct line_place *at,
                     struct strview line)
{
    struct strview name;
    struct strview hash;

    if (!memchr(line.ptr, ':', line.len)) {
        error_line(at, "expected NAME:HASH");
        return;
    }
    (void)sv_split(&line, ':', &name);
    (void)sv_split(&line, ':', &hash);
    if (!user_fits(at, name) || !hash_fits(at, hash))
        return;
    file->users =
        xrealloc(file->users, (file->user_count + 1) * sizeof *file->users);
    file->users[file->user_count++] = (struct basic_user){
        xstrndup(name.ptr, name.len), xstrndup(hash.ptr, hash.len)};
}

static int compare_users(const void *a, const void *b)
{
    const struct basic_user *left = a;
    const struct basic_user *right = b;

    return strcmp(left->name, right->name);
}

static void sort_users(struct line_place *at, struct basic_file *file)
{
    if (file->user_count > 0)
        qsort(file->users, file->user_count, sizeof *file->users,
              compare_users);
    for (uint32_t i = 1; i < file->user_count; i++)
        if (strcmp(file->users[i - 1].name, file->users[i].name) == 0) {
            builder_error(at->builder, at->node->place,
                          "%s \"%.200s\": user \"%.80s\" stands there twice",
                          at->node->name, at->path, file->users[i].name);
            return;
        }
}

static void read_users(struct builder *builder, const struct conf_node *node,
                       struct basic_file *file)
{
    AUTO(wipe) struct strbuf text = STRBUF_INIT;
    struct line_place at = {builder, node, file->path, 0};
    struct strview rest;
    struct strview line;

    if (!read_secrets(builder, node, file->path, &text))
        return;
    rest = strbuf_view(&text);
    while (next_line(&rest, &at, &line))
        add_user(file, &at, line);
    sort_users(&at, file);
    if (file->user_count == 0)
        builder_warning(builder, node->place,
                        "%s \"%.200s\" has no user in it: nobody may use what "
                        "it protects",
                        node->name, file->path);
}

void directive_set_basic_auth_file(struct builder *builder, struct block *block,
                                   const struct conf_node *node)
{
    struct shared_settings *shared = &builder->config->proxy->shared;
    const char *path = builder_path(builder, node, node->args[0].text);
    struct basic_file *file;

    for (uint32_t i = 0; i < shared->basic_file_count; i++)
        if (strcmp(shared->basic_files[i].path, path) == 0) {
            protection_of(block)->basic_auth = i + 1;
            return;
        }
    shared->basic_files =
        xrealloc(shared->basic_files,
                 (shared->basic_file_count + 1) * sizeof *shared->basic_files);
    file = &shared->basic_files[shared->basic_file_count++];
    *file = (struct basic_file){.path = xstrdup(path)};
    protection_of(block)->basic_auth = shared->basic_file_count;
    read_users(builder, node, file);
}

/* --- api_keys_file
 * ------------------------------------------------------------
 */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "DIGEST [name or comment]", as sha256sum writes it. */
static void add_key(struct key_file *file, const struct line_place *at,
                    struct strview line)
{
    const size_t digits = (size_t)KEY_DIGEST_BYTES * 2;
    unsigned char digest[KEY_DIGEST_BYTES];
    bool fits =
        line.len >= digits && (line.len == digits || line.ptr[digits] == ' ' ||
                               line.ptr[digits] == '\t');

    for (size_t i = 0; fits && i < digits; i += 2) {
        int high = hex_value(line.ptr[i]);
        int low = hex_value(line.ptr[i + 1]);

        fits = high >= 0 && low >= 0;
        digest[i / 2] = (unsigned char)(high << 4 | low);
    }
    if (!fits) {
        error_line(at, "expected the SHA-256 digest of a key as 64 hex digits "
                       "(`printf %s KEY | sha256sum`), then perhaps a name");
        return;
    }
    file->digests =
        xrealloc(file->digests, (file->key_count + 1) * sizeof *file->digests);
    memcpy(file->digests[file->key_count++], digest, sizeof digest);
}

static int compare_digests(const void *a, const void *b)
{
    return memcmp(a, b, KEY_DIGEST_BYTES);
}

static void read_keys(struct builder *builder, const struct conf_node *node,
                      struct key_file *file)
{
    AUTO(wipe) struct strbuf text = STRBUF_INIT;
    struct line_place at = {builder, node, file->path, 0};
    struct strview rest;
    struct strview line;

    if (!read_secrets(builder, node, file->path, &text))
        return;
    rest = strbuf_view(&text);
    while (next_line(&rest, &at, &line))
        add_key(file, &at, line);
    if (file->key_count > 0)
        qsort(file->digests, file->key_count, KEY_DIGEST_BYTES,
              compare_digests);
    else
        builder_warning(builder, node->place,
                        "%s \"%.200s\" has no key in it: nobody may use what "
                        "it protects",
                        node->name, file->path);
}

void directive_set_api_keys_file(struct builder *builder, struct block *block,
                                 const struct conf_node *node)
{
    struct shared_settings *shared = &builder->config->proxy->shared;
    const char *path = builder_path(builder, node, node->args[0].text);
    struct key_file *file;

    for (uint32_t i = 0; i < shared->key_file_count; i++)
        if (strcmp(shared->key_files[i].path, path) == 0) {
            protection_of(block)->api_keys = i + 1;
            return;
        }
    shared->key_files =
        xrealloc(shared->key_files,
                 (shared->key_file_count + 1) * sizeof *shared->key_files);
    file = &shared->key_files[shared->key_file_count++];
    *file = (struct key_file){.path = xstrdup(path)};
    protection_of(block)->api_keys = shared->key_file_count;
    read_keys(builder, node, file);
}

/* --- rate_limit
 * ---------------------------------------------------------------
 */

/* "10r/s", "600r/m", "1000r/h" */
static bool rate_parse(const char *text, struct rate_settings *rate)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t requests;

    if (!sv_to_u64(sv_make(text, digits), RATE_REQUESTS_MAX, &requests) ||
        requests == 0 || strncmp(text + digits, "r/", 2) != 0)
        return false;
    if (strcmp(text + digits + 2, "s") == 0)
        rate->period_s = 1;
    else if (strcmp(text + digits + 2, "m") == 0)
        rate->period_s = 60;
    else if (strcmp(text + digits + 2, "h") == 0)
        rate->period_s = 3600;
    else
        return false;
    rate->requests = (uint32_t)requests;
    return true;
}

static bool rate_key(struct builder *builder, const struct conf_arg *arg,
                     struct rate_settings *rate)
{
    const char *key = arg->text + strlen("key=");
    char *field;

    if (strcmp(key, "$remote_addr") == 0)
        return true;
    if (strncmp(key, "$http_", 6) != 0 || !key[6] || strlen(key) > 200) {
        builder_error(builder, arg->place,
                      "key= takes $remote_addr or a field such as "
                      "$http_x_tenant, not \"%.80s\"",
                      key);
        return false;
    }
    field = xstrdup(key + 6);
    for (char *c = field; *c; c++) {
        *c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
        if (!isalnum((unsigned char)*c) && *c != '-') {
            builder_error(builder, arg->place,
                          "\"%.80s\" is no variable: letters, digits and _",
                          key);
            free(field);
            return false;
        }
    }
    free(rate->key_field);
    rate->key_field = field;
    return true;
}

static bool rate_burst(struct builder *builder, const struct conf_arg *arg,
                       struct rate_settings *rate)
{
    uint64_t burst;

    if (!sv_to_u64(sv_of(arg->text + strlen("burst=")), RATE_BURST_MAX,
                   &burst)) {
        builder_error(builder, arg->place,
                      "burst= takes a whole number of 0 to %u, not \"%.80s\"",
                      RATE_BURST_MAX, arg->text + strlen("burst="));
        return false;
    }
    rate->burst = (uint32_t)burst;
    return true;
}

void directive_set_rate_limit(struct builder *builder, struct block *block,
                              const struct conf_node *node)
{
    struct rate_settings *rate = &protection_of(block)->rate;

    if (!rate_parse(node->args[0].text, rate)) {
        builder_error(builder, node->args[0].place,
                      "\"rate_limit\" takes a rate such as 10r/s, 600r/m or "
                      "1000r/h, not \"%.80s\"",
                      node->args[0].text);
        return;
    }
    for (unsigned i = 1; i < node->arg_count; i++) {
        const struct conf_arg *arg = &node->args[i];
        bool is_key = strncmp(arg->text, "key=", 4) == 0;

        if (!is_key && strncmp(arg->text, "burst=", 6) != 0) {
            builder_error_word(builder, node, arg->text, "burst=N|key=$…");
            return;
        }
        if (!builder_once(builder, block, node, is_key ? "key=" : "burst=") ||
            !(is_key ? rate_key : rate_burst)(builder, arg, rate))
            return;
    }
}

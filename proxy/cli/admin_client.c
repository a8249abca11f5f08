/* admin_client.c - the subcommands' way to a running berth. */
#include "proxy/cli/admin_client.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf/config.h"
#include "conf/host_defaults.h"
#include "router/base/address.h"
#include "router/base/alloc.h"

#define ANSWER_MAX_BYTES (64U << 20)
#define TIMEOUT_MS       20000L

struct admin_client {
    char *path;
    pid_t pid;
    CURL *curl;
    long timeout_ms;
};

/* The first Unix listener of admin { }. */
static char *configured_path(const struct config *config)
{
    for (uint32_t i = 0; i < config->proxy->listener_count; i++) {
        const struct listener_settings *listener = &config->proxy->listeners[i];

        if (listener->is_admin && listener->address.any.sa_family == AF_UNIX)
            return xstrdup(listener->address.un.sun_path);
    }
    return xasprintf("%s/admin.sock", config->lifecycle->state_dir);
}

static char *default_path(void)
{
    AUTO(auto_free) char *state_dir = host_default_state_dir();

    return xasprintf("%s/admin.sock", state_dir);
}

/* errors: what is wrong with the file; nobody may be there for it. */
static char *find_path(const char *socket_path, const char *config_path,
                       struct strbuf *errors)
{
    AUTO(config_free) struct config *config = NULL;

    if (socket_path) {
        if (strncmp(socket_path, "unix:", 5) == 0)
            socket_path += 5;
        return xstrdup(socket_path);
    }
    if (!config_path)
        return default_path();
    config = config_read(config_path, errors);
    return config ? configured_path(config) : NULL;
}

/* Why nobody was found, and what may have misled us. */
static void add_file_errors(struct strbuf *errors, bool was_read,
                            struct err *err)
{
    struct err told = {0};

    if (errors->len == 0)
        return;
    if (errors->data[errors->len - 1] == '\n')
        errors->data[errors->len - 1] = '\0';
    if (was_read) {
        told = *err;
        err_set(err, told.code, "%s\n%s", told.text, errors->data);
    } else {
        err_set(err, ERR_INVALID, "%s", errors->data);
    }
}

static bool explain_connect(const char *path, int error, struct err *err)
{
    switch (error) {
    case ENOENT:
    case ECONNREFUSED:
        return err_set(err, ERR_UNAVAILABLE,
                       "no berth listens on %s: start it with \"berth run -c "
                       "FILE\", or name another one's socket with -c FILE or "
                       "--socket PATH",
                       path);
    case EACCES:
    case EPERM:
        return err_set(err, ERR_DENIED,
                       "%s: permission denied: run this as root or as the "
                       "user that runs berth",
                       path);
    default:
        return err_set_errno(err, error, "cannot connect to %s", path);
    }
}

/* Connect once by hand: only so the reason of a failure is certain, and who
 * called listen() there is known. */
static bool look_who_listens(const char *path, pid_t *ret_pid, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer = {0};
    socklen_t len = sizeof(peer);
    AUTO(auto_close) int fd = -1;

    if (strlen(path) >= sizeof(address.sun_path))
        return err_set(err, ERR_INVALID, "%s: too long for a Unix socket",
                       path);
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot make a socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return explain_connect(path, errno, err);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        peer.pid = 0;
    *ret_pid = peer.pid;
    return true;
}

struct admin_client *admin_client_new(const char *socket_path,
                                      const char *config_path, struct err *err)
{
    AUTO(admin_client_free) struct admin_client *client =
        xcalloc(1, sizeof(*client));
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;

    client->timeout_ms = TIMEOUT_MS;
    client->path = find_path(socket_path, config_path, &errors);
    if (!client->path || !look_who_listens(client->path, &client->pid, err)) {
        add_file_errors(&errors, client->path != NULL, err);
        return NULL;
    }
    client->curl = curl_easy_init();
    if (!client->curl) {
        err_set(err, ERR_FAILED, "libcurl cannot be initialised");
        return NULL;
    }
    return TAKE(client);
}

void admin_client_free(struct admin_client **client)
{
    if (!*client)
        return;
    if ((*client)->curl)
        curl_easy_cleanup((*client)->curl);
    free((*client)->path);
    free(*client);
    *client = NULL;
}

const char *admin_client_path(const struct admin_client *client)
{
    return client->path;
}

pid_t admin_client_pid(const struct admin_client *client)
{
    return client->pid;
}

void admin_client_set_timeout(struct admin_client *client, long timeout_ms)
{
    client->timeout_ms = timeout_ms;
}

static size_t on_data(char *data, size_t size, size_t count, void *arg)
{
    struct strbuf *buf = arg;

    if (buf->len + size * count > ANSWER_MAX_BYTES)
        return 0; /* libcurl fails with CURLE_WRITE_ERROR */
    strbuf_add(buf, data, size * count);
    return size * count;
}

/* What {"error": {"message"}} says. */
static bool explain_status(long status, const struct strbuf *answer,
                           struct err *err)
{
    enum err_code code = status == 404 ? ERR_NOT_FOUND : ERR_FAILED;
    cJSON *json = cJSON_ParseWithLength(answer->data, answer->len);
    const cJSON *message = cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItemCaseSensitive(json, "error"), "message");

    if (cJSON_IsString(message))
        err_set(err, code, "%s", message->valuestring);
    else
        err_set(err, code, "berth answered with status %ld", status);
    cJSON_Delete(json);
    return false;
}

static bool explain_curl(const struct admin_client *client, CURLcode code,
                         struct err *err)
{
    pid_t pid;

    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, ERR_TIMEOUT, "%s: berth gave no answer in %ld ms",
                       client->path, client->timeout_ms);
    if (!look_who_listens(client->path, &pid, err))
        return false;
    return err_set(err, ERR_UNAVAILABLE, "%s: %s", client->path,
                   curl_easy_strerror(code));
}

static void set_up(struct admin_client *client, const char *url,
                   const char *body)
{
    CURL *curl = client->curl;

    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
}

bool admin_client_request(struct admin_client *client, const char *path,
                          const char *body, struct strbuf *ret_answer,
                          struct err *err)
{
    AUTO(strbuf_done) struct strbuf answer = STRBUF_INIT;
    AUTO(auto_free) char *url = xasprintf("http://localhost%s", path);
    struct curl_slist *fields =
        body ? curl_slist_append(NULL, "Content-Type: application/json") : NULL;
    CURL *curl = client->curl;
    CURLcode code;
    long status = 0;

    set_up(client, url, body);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, client->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    code = curl_easy_perform(curl);
    curl_slist_free_all(fields);
    if (code != CURLE_OK)
        return explain_curl(client, code, err);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status / 100 != 2)
        return explain_status(status, &answer, err);
    strbuf_clear(ret_answer);
    strbuf_add_sv(ret_answer, strbuf_view(&answer));
    return true;
}

/* --- answers that come in lines --- */

struct lines {
    CURL *curl;
    const struct admin_follow *follow;
    struct strbuf line; /* what has no end yet; of a failed answer, all */
    bool has_enough;
};

static size_t on_lines(char *data, size_t size, size_t count, void *arg)
{
    struct lines *lines = arg;
    struct strview rest = {data, size * count};
    const char *end;
    long status = 0;

    curl_easy_getinfo(lines->curl, CURLINFO_RESPONSE_CODE, &status);
    if (lines->line.len + rest.len > ANSWER_MAX_BYTES)
        return 0;
    while (status / 100 == 2 && (end = memchr(rest.ptr, '\n', rest.len))) {
        strbuf_add(&lines->line, rest.ptr, (size_t)(end - rest.ptr));
        lines->has_enough = !lines->follow->on_line(lines->follow->arg,
                                                    strbuf_view(&lines->line));
        strbuf_clear(&lines->line);
        rest = sv_skip(rest, (size_t)(end - rest.ptr) + 1);
        if (lines->has_enough)
            return 0;
    }
    strbuf_add_sv(&lines->line, rest);
    return size * count;
}

bool admin_client_follow(struct admin_client *client,
                         const struct admin_follow *follow, struct err *err)
{
    AUTO(auto_free) char *url = xasprintf("http://localhost%s", follow->path);
    AUTO(auto_free)
    char *accept =
        xasprintf("Accept: %s", follow->accept ? follow->accept : "*/*");
    struct lines lines = {.curl = client->curl, .follow = follow};
    struct curl_slist *fields = curl_slist_append(NULL, accept);
    bool ok = true;
    CURLcode code;
    long status = 0;

    if (follow->body)
        fields = curl_slist_append(fields, "Content-Type: application/json");
    set_up(client, url, follow->body);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, on_lines);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &lines);
    code = curl_easy_perform(client->curl);
    curl_slist_free_all(fields);
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK && !lines.has_enough)
        ok = explain_curl(client, code, err);
    else if (status / 100 != 2)
        ok = explain_status(status, &lines.line, err);
    strbuf_done(&lines.line);
    return ok;
}

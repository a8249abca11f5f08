/* log_writer.c - the one thread that writes access logs. */
#include "proxy/log_writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/log.h"
#include "router/base/loop.h"
#include "router/base/metrics.h"

/* A pipe or terminal that takes nothing for so long costs the lines. */
#define STALL_MS 1000

struct log_file {
    int fd; /* -1: none yet */
    bool is_regular;
    bool is_torn; /* the last write stopped within a line */
    struct log_rate rate;
};

struct name {   /* of a file */
    char *text; /* NULL: the number is free */
    unsigned users;
};

struct log_writer {
    struct loop *loop;
    pthread_t thread;
    struct metrics_cell *cell;
    size_t waiting_bytes; /* atomic */
    unsigned name_count;
    struct name *names; /* main's, by number */
    unsigned file_count;
    struct log_file *files; /* the thread's, by number */
};

struct batch {
    struct loop_task task;
    struct log_writer *writer;
    unsigned file;
    struct strbuf lines;
};

struct new_file {
    struct loop_task task;
    struct log_writer *writer;
    unsigned file;
    int fd;
};

static unsigned line_count(const char *at, size_t len)
{
    unsigned count = 0;
    const char *end = at + len;

    while ((at = memchr(at, '\n', (size_t)(end - at)))) {
        count++;
        at++;
    }
    return count;
}

/* Only a regular file takes whatever it is given at once. */
static bool is_writable(const struct log_file *file)
{
    struct pollfd pfd = {.fd = file->fd, .events = POLLOUT};

    return file->is_regular ||
           (poll(&pfd, 1, STALL_MS) == 1 && (pfd.revents & POLLOUT));
}

/* How much of it was written; errno says why not all. */
static size_t write_some(const struct log_file *file, const char *data,
                         size_t len)
{
    size_t done = 0;

    while (done < len) {
        size_t piece = len - done;
        ssize_t n;

        /* A pipe that polls writable takes so much without blocking. */
        if (!file->is_regular && piece > 4096)
            piece = 4096;
        if (!is_writable(file)) {
            errno = EAGAIN;
            break;
        }
        n = write(file->fd, data + done, piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

static void on_failed(struct log_writer *writer, struct log_file *file,
                      unsigned lines, int error)
{
    uint64_t skipped;

    metrics_add(writer->cell, METRIC_LOG_LINES_DROPPED, lines);
    if (log_rate_allows(&file->rate, &skipped))
        log_error("log_writer", "lines of an access log are lost",
                  "why=\"%s\" lines=%u", strerror(error), lines);
}

/* The thread's. */
static struct log_file *file_of(struct log_writer *writer, unsigned number)
{
    if (number >= writer->file_count) {
        unsigned count = number + 1;

        writer->files = xrealloc(writer->files, count * sizeof *writer->files);
        for (unsigned i = writer->file_count; i < count; i++)
            writer->files[i] = (struct log_file){.fd = -1};
        writer->file_count = count;
    }
    return &writer->files[number];
}

static void write_batch(struct log_writer *writer, struct log_file *file,
                        const struct strbuf *lines)
{
    size_t done;

    if (file->fd < 0) {
        on_failed(writer, file, line_count(lines->data, lines->len), EBADF);
        return;
    }
    /* What is left of a line ends there, so that no two become one. */
    if (file->is_torn) {
        if (write_some(file, "\n", 1) != 1) {
            on_failed(writer, file, line_count(lines->data, lines->len), errno);
            return;
        }
        file->is_torn = false;
    }
    done = write_some(file, lines->data, lines->len);
    if (done == lines->len)
        return;
    file->is_torn = done > 0 && lines->data[done - 1] != '\n';
    on_failed(writer, file, line_count(lines->data + done, lines->len - done),
              errno);
}

static void run_batch(struct loop_task *task)
{
    struct batch *batch = container_of(task, struct batch, task);
    struct log_writer *writer = batch->writer;

    write_batch(writer, file_of(writer, batch->file), &batch->lines);
    __atomic_sub_fetch(&writer->waiting_bytes, batch->lines.len,
                       __ATOMIC_RELAXED);
    strbuf_done(&batch->lines);
    free(batch);
}

static void run_new_file(struct loop_task *task)
{
    struct new_file *order = container_of(task, struct new_file, task);
    struct log_file *file = file_of(order->writer, order->file);
    struct stat st;

    if (file->fd >= 0)
        close(file->fd);
    file->fd = order->fd;
    file->is_torn = false;
    file->is_regular = fstat(file->fd, &st) == 0 && S_ISREG(st.st_mode);
    free(order);
}

static void *run_thread(void *arg)
{
    struct log_writer *writer = arg;

    loop_run(writer->loop);
    return NULL;
}

struct log_writer *log_writer_new(struct metrics_registry *metrics)
{
    struct log_writer *writer = xcalloc(1, sizeof *writer);

    writer->loop = loop_new("log-writer");
    writer->cell = metrics_cell_new(metrics, METRIC_SCOPE_FRONT, "");
    if (pthread_create(&writer->thread, NULL, run_thread, writer) != 0)
        abort();
    return writer;
}

static void run_stop(struct loop_task *task)
{
    struct batch *batch = container_of(task, struct batch, task);

    loop_stop(batch->writer->loop);
    free(batch);
}

void log_writer_free(struct log_writer **writer_ptr)
{
    struct log_writer *writer = *writer_ptr;
    struct batch *last;

    if (!writer)
        return;
    last = xcalloc(1, sizeof *last);
    last->task.run = run_stop;
    last->writer = writer;
    loop_post(writer->loop, &last->task);
    pthread_join(writer->thread, NULL);
    loop_free(&writer->loop); /* runs what is left */
    for (unsigned i = 0; i < writer->file_count; i++)
        if (writer->files[i].fd >= 0)
            close(writer->files[i].fd);
    for (unsigned i = 0; i < writer->name_count; i++)
        free(writer->names[i].text);
    free(writer->names);
    free(writer->files);
    free(writer);
    *writer_ptr = NULL;
}

void log_writer_set_file(struct log_writer *writer, unsigned file, int fd)
{
    struct new_file *order = xcalloc(1, sizeof *order);

    order->task.run = run_new_file;
    order->writer = writer;
    order->file = file;
    order->fd = fd;
    loop_post(writer->loop, &order->task);
}

static struct name *free_name(struct log_writer *writer)
{
    for (unsigned i = 0; i < writer->name_count; i++) {
        if (!writer->names[i].text)
            return &writer->names[i];
    }
    writer->names = xrealloc(writer->names,
                             (writer->name_count + 1) * sizeof *writer->names);
    return &writer->names[writer->name_count++];
}

unsigned log_writer_open(struct log_writer *writer, const char *text)
{
    struct name *name;

    for (unsigned i = 0; i < writer->name_count; i++) {
        name = &writer->names[i];
        if (name->text && strcmp(name->text, text) == 0) {
            name->users++;
            return i;
        }
    }
    name = free_name(writer);
    *name = (struct name){xstrdup(text), 1};
    return (unsigned)(name - writer->names);
}

void log_writer_close(struct log_writer *writer, unsigned file)
{
    struct name *name = &writer->names[file];

    if (--name->users > 0)
        return;
    free(name->text);
    name->text = NULL;
    log_writer_set_file(writer, file, -1);
}

bool log_writer_post(struct log_writer *writer, unsigned file,
                     struct strbuf *lines)
{
    struct batch *batch;
    size_t waiting = __atomic_add_fetch(&writer->waiting_bytes, lines->len,
                                        __ATOMIC_RELAXED);

    if (waiting > LOG_WRITER_BACKLOG_MAX) {
        __atomic_sub_fetch(&writer->waiting_bytes, lines->len,
                           __ATOMIC_RELAXED);
        strbuf_clear(lines);
        return false;
    }
    batch = xcalloc(1, sizeof *batch);
    batch->task.run = run_batch;
    batch->writer = writer;
    batch->file = file;
    batch->lines = *lines;
    *lines = STRBUF_INIT;
    loop_post(writer->loop, &batch->task);
    return true;
}

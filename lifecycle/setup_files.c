/* setup_files.c - setup_context_pack() on a helper thread. */
#include "lifecycle/setup_files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lifecycle/setup_context.h"
#include "router/base/alloc.h"
#include "router/base/list.h"
#include "router/base/loop.h"

struct setup_files {
    struct loop *loop;
    struct setup_context context;
    char *base;        /* NULL: no archive */
    bool is_cancelled; /* atomic */
    bool is_over;      /* the main thread's: it needs no more */
    pthread_t thread;
    struct loop_task back;
    struct setup_packed packed;
    bool is_good;
    struct err err;
    setup_files_fn done;
    void *arg;
};

/* Not in memory, as /tmp and /run may be. */
static int open_nameless(struct err *err)
{
    const char *dir = getenv("TMPDIR");
    int fd;

    if (!dir || dir[0] != '/')
        dir = "/var/tmp";
    fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        err_set_errno(err, errno, "a file for setup cannot be made in %s", dir);
    return fd;
}

static bool pack(struct setup_files *files)
{
    struct stat st;

    files->packed.fd = -1;
    if (files->base) {
        files->packed.fd = open_nameless(&files->err);
        if (files->packed.fd < 0)
            return false;
    }
    if (!setup_context_pack(&files->context, files->packed.fd,
                            files->packed.digest, &files->err))
        return false;
    if (!files->base)
        return true;
    if (fstat(files->packed.fd, &st) != 0)
        return err_set_errno(&files->err, errno, "the archive of setup");
    files->packed.bytes = (uint64_t)st.st_size;
    return true;
}

static void *run(void *arg)
{
    struct setup_files *files = arg;

    files->is_good = pack(files);
    loop_post(files->loop, &files->back);
    return NULL;
}

static void on_back(struct loop_task *task)
{
    struct setup_files *files = container_of(task, struct setup_files, back);
    setup_files_fn done = files->done;
    void *arg = files->arg;
    struct setup_packed packed = files->packed;
    struct err err = files->err;
    bool is_good = files->is_good;
    bool is_over = files->is_over;

    if (!is_over)
        pthread_join(files->thread, NULL);
    if ((is_over || !is_good) && packed.fd >= 0)
        auto_close(&packed.fd);
    free(files->base);
    free(files);
    if (!is_over)
        done(arg, is_good ? &packed : NULL, is_good ? NULL : &err);
}

static void start_thread(struct setup_files *files)
{
    sigset_t all;
    sigset_t before;

    /* Signals are the main thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&files->thread, NULL, run, files) != 0)
        abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct setup_files *setup_files_read(struct loop *loop,
                                     const struct setup_step *steps,
                                     uint32_t step_count, const char *base,
                                     setup_files_fn done, void *arg)
{
    struct setup_files *files = xcalloc(1, sizeof *files);

    loop_assert_owner(loop);
    files->loop = loop;
    files->base = base ? xstrdup(base) : NULL;
    files->context = (struct setup_context){
        .steps = steps,
        .step_count = step_count,
        .base = files->base ? files->base : "",
        .is_cancelled = &files->is_cancelled,
    };
    files->done = done;
    files->arg = arg;
    files->back.run = on_back;
    start_thread(files);
    return files;
}

/* The task that the thread posts, or has posted, frees it. */
void setup_files_cancel(struct setup_files **files_ptr)
{
    struct setup_files *files = TAKE(*files_ptr);

    if (!files)
        return;
    loop_assert_owner(files->loop);
    __atomic_store_n(&files->is_cancelled, true, __ATOMIC_RELAXED);
    pthread_join(files->thread, NULL);
    files->is_over = true;
}

/* Who gets which worker. */
#define _GNU_SOURCE
#include "pool.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint32_t processors(void) {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return (uint32_t)CPU_COUNT(&set);
#endif
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (uint32_t)count : 1;
}

static uint32_t count_workers(uint32_t wanted) {
    const char *text = getenv(WORKERS_VARIABLE);
    if (!wanted && text && *text) wanted = (uint32_t)atoi(text);
    uint32_t most = processors() < MOST_WORKERS ? processors() : MOST_WORKERS;
    return wanted && wanted < most ? wanted : most;
}

bool pool_setting_is_valid(void) {
    const char *text = getenv(WORKERS_VARIABLE);
    return !text || !*text || (strspn(text, "0123456789") == strlen(text) && strlen(text) < 6 && atoi(text) > 0);
}

bool pool_make(struct pool *pool, const struct descriptor *descriptor, const struct registry *registry) {
    *pool = (struct pool){.descriptor = descriptor, .registry = registry, .owner = getpid(),
                          .count = count_workers(descriptor->workers)};
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->released, NULL);
    for (uint32_t i = 0; i < pool->count; i++)
        pool->workers[i] = (struct worker){.socket = -1, .interrupts = -1, .segment.file = -1};
    buffer_put_u32(&pool->welcome, pool->count);
    buffer_put_u32(&pool->welcome, (uint32_t)pool->owner);
    buffer_put_text(&pool->welcome, registry->shown, strlen(registry->shown));
    buffer_put(&pool->welcome, descriptor->bytes.data, descriptor->bytes.size);
    return !pool->welcome.failed;
}

void pool_free(struct pool *pool) {
    bool ours = pool->owner == getpid();
    for (uint32_t i = 0; i < pool->count; i++) {
        if (ours) worker_stop(&pool->workers[i]);
        else worker_forget(&pool->workers[i]);
        buffer_free(&pool->workers[i].received);
    }
    buffer_free(&pool->welcome);
    pthread_cond_destroy(&pool->released);
    pthread_mutex_destroy(&pool->lock);
}

uint32_t pool_enter(struct pool *pool) {
    pthread_mutex_lock(&pool->lock);
    uint32_t active = ++pool->active;
    pthread_mutex_unlock(&pool->lock);
    return active;
}

void pool_leave(struct pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->active--;
    pthread_mutex_unlock(&pool->lock);
}

void pool_interrupt(struct pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->interrupts++;
    pthread_cond_broadcast(&pool->released);
    pthread_mutex_unlock(&pool->lock);
}

static void say(struct buffer *why, const char *form, ...) {
    char text[2048];
    va_list values;
    va_start(values, form);
    vsnprintf(text, sizeof text, form, values);
    va_end(values);
    why->size = 0;
    buffer_put(why, text, strlen(text));
}

static int pick(const struct pool *pool, int number, uint32_t preferred) {
    if (number != ANY_WORKER) return pool->taken[number] ? -1 : number;
    for (uint32_t i = 0; i < pool->count; i++) {
        uint32_t candidate = (preferred + i) % pool->count;
        if (!pool->taken[candidate]) return (int)candidate;
    }
    return -1;
}

static struct worker *reserve(struct pool *pool, int number, uint32_t preferred, bool wait, struct buffer *why) {
    pthread_mutex_lock(&pool->lock);
    uint64_t interrupts = pool->interrupts;
    int found = pick(pool, number, preferred);
    while (found < 0 && wait && pool->interrupts == interrupts) {
        pthread_cond_wait(&pool->released, &pool->lock);
        found = pick(pool, number, preferred);
    }
    if (found >= 0) pool->taken[found] = true;
    else if (wait) say(why, "interrupted");
    pthread_mutex_unlock(&pool->lock);
    return found < 0 ? NULL : &pool->workers[found];
}

struct worker *pool_take(struct pool *pool, int number, uint32_t preferred, bool wait, struct buffer *why) {
    struct worker *worker = reserve(pool, number, preferred, wait, why);
    if (!worker) return NULL;
    if (worker->pid && !(worker_lives(worker) && worker_settle(worker))) worker_kill(worker);
    if (worker->pid || worker_start(worker, pool->descriptor, &pool->welcome)) {
        worker_clear_interrupts(worker);
        return worker;
    }
    say(why, "no worker process can be started: %s", strerror(errno));
    pool_give_back(pool, worker);
    return NULL;
}

void pool_give_back(struct pool *pool, struct worker *worker) {
    segment_trim(&worker->segment);
    pthread_mutex_lock(&pool->lock);
    pool->taken[worker - pool->workers] = false;
    pthread_cond_broadcast(&pool->released);
    pthread_mutex_unlock(&pool->lock);
}

void pool_bury(struct pool *pool, struct worker *worker, struct buffer *why) {
    bool greeted = worker->greeted;
    pid_t pid = worker->pid;
    int status = -1;
    /* It closes its socket before it is gone: its own exit status is worth a moment. */
    for (int i = 0; i < 100 && waitpid(pid, &status, WNOHANG) == 0; i++) nanosleep(&(struct timespec){0, 1000000}, NULL);
    if (status == -1) worker_kill(worker);
    else worker_forget(worker);
    char how[64] = "ended";
    if (status != -1 && WIFSIGNALED(status)) snprintf(how, sizeof how, "was killed by signal %d", WTERMSIG(status));
    else if (status != -1 && WIFEXITED(status)) snprintf(how, sizeof how, "ended with code %d", WEXITSTATUS(status));
    say(why, "a forcedsql worker (process %ld) %s %s; the next query starts a new one; its messages are in %s",
        (long)pid, how, greeted ? "during the query" : "while it was started", pool->descriptor->log);
}

/* The workers of one database, shared by DuckDB's threads. */
#ifndef FORCEDSQL_POOL_H
#define FORCEDSQL_POOL_H

#include <pthread.h>

#include "descriptor.h"
#include "registry.h"
#include "worker.h"

#define WORKERS_VARIABLE "FORCEDSQL_WORKERS"

enum { MOST_WORKERS = 256, ANY_WORKER = -1 };

struct pool {
    const struct descriptor *descriptor;
    const struct registry *registry;
    struct buffer welcome;
    pid_t owner; /* a forked process must keep its hands off */
    pthread_mutex_t lock;
    pthread_cond_t released;
    uint32_t count, active; /* workers; calls under way */
    uint64_t interrupts;    /* Ctrl-Cs so far */
    struct worker workers[MOST_WORKERS];
    bool taken[MOST_WORKERS];
};

/* Return whether the environment says a number of workers, or nothing. */
bool pool_setting_is_valid(void);
bool pool_make(struct pool *pool, const struct descriptor *descriptor, const struct registry *registry);
void pool_free(struct pool *pool);

/* A call begins and ends; return how many calls are under way. */
uint32_t pool_enter(struct pool *pool);
void pool_leave(struct pool *pool);

/* Take a worker for oneself and have it ready: one of that number, or any, `preferred` if it is
   free.  NULL if there is none and `wait` is false, or with a message in `why`. */
struct worker *pool_take(struct pool *pool, int number, uint32_t preferred, bool wait, struct buffer *why);
void pool_give_back(struct pool *pool, struct worker *worker);

/* Tell everyone that waits for a worker that Ctrl-C was pressed. */
void pool_interrupt(struct pool *pool);

/* Write why a worker that has died did so, and be done with it. */
void pool_bury(struct pool *pool, struct worker *worker, struct buffer *why);

#endif

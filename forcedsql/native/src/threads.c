/* Sharing a call's items among threads.

   Threads are started for a call and end with it: that costs some 20 us each, leaves nothing
   behind for a process that forks, and a call has milliseconds of work. */
#include "threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

enum { MOST_THREADS = 256 };

struct shared_call {
    forcedsql_work *work;
    const void *task;
    int64_t count, step;
    atomic_llong next;
    atomic_int failed;
};

static atomic_int busy_threads;

static void *do_steps(void *argument) {
    struct shared_call *call = argument;
    for (;;) {
        int64_t begin = atomic_fetch_add(&call->next, call->step);
        if (begin >= call->count) return NULL;
        int64_t end = begin + call->step < call->count ? begin + call->step : call->count;
        if (call->work(call->task, begin, end)) atomic_store(&call->failed, 1);
    }
}

/* Return how many of the `wanted` further threads may start now; the caller counts as one. */
static int claim_threads(int wanted, int limit) {
    int busy = atomic_fetch_add(&busy_threads, 1) + 1;
    for (;;) {
        int granted = limit - busy < wanted ? limit - busy : wanted;
        if (granted <= 0) return 0;
        if (atomic_compare_exchange_weak(&busy_threads, &busy, busy + granted)) return granted;
    }
}

/* Start threads that take no signals: those belong to the threads of Python. */
static int start_threads(pthread_t *threads, int count, struct shared_call *call) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int started = 0;
    while (started < count && pthread_create(&threads[started], NULL, do_steps, call) == 0) started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

int forcedsql_run(forcedsql_work *work, const void *task, int64_t count, int64_t step, int limit) {
    struct shared_call call = {.work = work, .task = task, .count = count, .step = step};
    int64_t steps = (count + step - 1) / step;
    int64_t wanted = steps - 1 < MOST_THREADS ? steps - 1 : MOST_THREADS;
    pthread_t threads[MOST_THREADS];
    int granted = claim_threads((int)wanted, limit);
    int started = start_threads(threads, granted, &call);
    do_steps(&call);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    atomic_fetch_sub(&busy_threads, granted + 1);
    return atomic_load(&call.failed) ? -1 : 0;
}

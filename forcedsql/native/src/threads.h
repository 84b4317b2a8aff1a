#ifndef FORCEDSQL_THREADS_H
#define FORCEDSQL_THREADS_H
#include "tasks.h"

/* Do `count` items of a task in steps, on this thread and on threads that are free.

   Each thread is given `step` items at a time, and there are no more threads than steps.
   All calls of the process together keep to `limit` threads, of which every caller is one. */
int forcedsql_run(forcedsql_work *work, const void *task, int64_t count, int64_t step, int limit);

#endif

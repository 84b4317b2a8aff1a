/* One worker process: a Python that evaluates functions. */
#ifndef FORCEDSQL_WORKER_H
#define FORCEDSQL_WORKER_H

#include <sys/types.h>

#include "descriptor.h"
#include "frames.h"
#include "segment.h"

/* A worker without a process has pid 0. */
struct worker {
    pid_t pid;
    int socket, interrupts; /* a byte arrives at `interrupts` for each signal that the worker gets */
    struct segment segment;
    struct buffer received; /* bytes of the last frame */
    uint64_t sequence;      /* of the last call */
    bool greeted;           /* it has said hello */
    bool owes;              /* a call was given up, and its reply is still to come */
};

/* Start the process; false, with errno, if the system refuses. */
bool worker_start(struct worker *worker, const struct descriptor *descriptor, const struct buffer *welcome);
/* Return whether it is there, as far as the socket tells. */
bool worker_lives(const struct worker *worker);
/* Wait for the reply that it owes; false if it does not come soon. */
bool worker_settle(struct worker *worker);
/* Forget the interrupts that came while it had nothing to do. */
void worker_clear_interrupts(struct worker *worker);
/* Return whether Ctrl-C was pressed. */
bool worker_was_interrupted(struct worker *worker);
/* End the process and wait for it; return its exit status as of waitpid, or -1. */
int worker_kill(struct worker *worker);
/* End it by closing its socket, and by force if it is still there after a while. */
void worker_stop(struct worker *worker);
/* In a forked process: let go of what belongs to the parent. */
void worker_forget(struct worker *worker);

#endif

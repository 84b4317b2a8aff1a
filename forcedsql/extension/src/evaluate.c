/* A chunk of rows is divided among workers, sent, and put together again.

   A chunk of one exposure, or of few, is cut into as many pieces as there are workers for this
   call, or goes to the first worker as a whole where the function says so.  In a chunk of many exposures each belongs to one worker, by its id, so that every
   exposure is opened once. */
#include "evaluate.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "columns.h"

enum { FIRST_WORKER = 0, FEWEST_ROWS = 128, MANY_CHANGES = 3, AWAKE_NS = 100000 };

/* The rows that one worker gets; `rows` points into the call's. */
struct part {
    struct worker *worker;
    int number;
    const idx_t *rows;
    idx_t count;
    bool sent, done;
    struct frame reply;
};

struct call {
    struct pool *pool;
    const struct function *function;
    uint32_t index;
    duck_chunk chunk;
    struct buffer *why;
    idx_t *rows;
    uint32_t part_count;
    struct part *parts;
    uint32_t sharers; /* calls that compute at the same time, of all queries */
};

static void fail(struct call *call, const char *text, size_t size) {
    if (call->why->size) return; /* the first reason is the one to tell */
    buffer_put(call->why, text, size);
}

static void fail_text(struct call *call, const char *text) { fail(call, text, strlen(text)); }

/* Find for each row the number of the worker that its exposure belongs to; return how often it
   changes from one row to the next, NULLs aside. */
static uint32_t find_homes(const struct call *call, duck_vector ids, uint32_t *homes, idx_t count) {
    const duck_string *strings = duck.vector_get_data(ids), *before = NULL;
    const uint64_t *validity = duck.vector_get_validity(ids);
    uint32_t home = 0, changes = 0;
    for (idx_t row = 0; row < count; row++) {
        if (row_is_valid(validity, row) && !(before && strings_are_equal(before, &strings[row]))) {
            before = &strings[row];
            home = (uint32_t)(string_hash(before) % call->pool->count);
            changes += row > 0;
        }
        homes[row] = home;
    }
    return changes;
}

static void divide_by_home(struct call *call, const uint32_t *homes, idx_t count, uint32_t active) {
    idx_t next = 0;
    for (uint32_t worker = 0; worker < call->pool->count; worker++) {
        struct part part = {.number = (int)worker, .rows = call->rows + next};
        for (idx_t i = 0; i < count; i++)
            if (homes[i] == worker) call->rows[next++] = i;
        part.count = (idx_t)(call->rows + next - part.rows);
        if (part.count) call->parts[call->part_count++] = part;
    }
    call->sharers = call->part_count * active;
}

static void keep_together(struct call *call, idx_t count) {
    for (idx_t i = 0; i < count; i++) call->rows[i] = i;
    call->parts[call->part_count++] = (struct part){.number = FIRST_WORKER, .rows = call->rows, .count = count};
    call->sharers = 1; /* the calls of other threads wait for the same worker */
}

static void divide_evenly(struct call *call, idx_t count, uint32_t active) {
    idx_t most = call->pool->count / active, pieces = count / FEWEST_ROWS;
    if (pieces > most) pieces = most;
    if (pieces < 1) pieces = 1;
    for (idx_t i = 0; i < count; i++) call->rows[i] = i;
    for (idx_t k = 0; k < pieces; k++) {
        idx_t begin = count * k / pieces, end = count * (k + 1) / pieces;
        call->parts[call->part_count++] = (struct part){.number = ANY_WORKER, .rows = call->rows + begin,
                                                        .count = end - begin};
    }
    call->sharers = call->part_count * active;
}

/* Return the home of the first row. */
static uint32_t divide(struct call *call, idx_t count, uint32_t active) {
    bool together = call->function->together;
    bool by_id = call->function->parameter_count && call->function->parameters[0].kind == TYPE_VARCHAR;
    uint32_t *homes = by_id && call->pool->count > 1 ? malloc(count * sizeof *homes) : NULL;
    uint32_t changes = 0, first = 0;
    if (homes) {
        changes = find_homes(call, duck.data_chunk_get_vector(call->chunk, 0), homes, count);
        first = homes[0];
    }
    if (changes >= MANY_CHANGES) divide_by_home(call, homes, count, active);
    else if (together) keep_together(call, count);
    else divide_evenly(call, count, active);
    free(homes);
    return first;
}

static void lose(struct call *call, struct part *part) {
    struct buffer why = {0};
    pool_bury(call->pool, part->worker, &why);
    fail(call, (const char *)why.data, why.size);
    buffer_free(&why);
    part->done = true;
}

static void send_part(struct call *call, struct part *part) {
    struct worker *worker = part->worker;
    struct buffer columns = {0};
    for (uint32_t i = 0; i < call->function->parameter_count; i++)
        column_encode(&columns, &call->function->parameters[i], duck.data_chunk_get_vector(call->chunk, i),
                      part->rows, part->count);
    if (columns.failed || !segment_grow(&worker->segment, columns.size)) {
        fail_text(call, "not enough memory to hand the rows over to a worker");
    } else {
        if (columns.size) memcpy(worker->segment.start, columns.data, columns.size);
        struct buffer what = {0};
        buffer_put_i64(&what, (int64_t)part->count);
        buffer_put_u32(&what, call->index);
        buffer_put_u32(&what, call->sharers);
        struct frame frame = {.kind = FRAME_CALL, .sequence = ++worker->sequence, .size = columns.size};
        part->sent = frame_send(worker->socket, frame, what.data, what.size) == FRAME_DONE;
        if (part->sent) worker->owes = true;
        else lose(call, part);
        buffer_free(&what);
    }
    buffer_free(&columns);
}

/* Send all parts; those that no worker is free for are joined to others. */
static void send_all(struct call *call, uint32_t home) {
    for (uint32_t i = 0; i < call->part_count && !call->why->size; i++) {
        struct part *part = &call->parts[i];
        bool must_wait = i == 0 || part->number != ANY_WORKER;
        part->worker = pool_take(call->pool, part->number, home, must_wait, call->why);
        if (!part->worker && !call->why->size) { /* the last one takes all the rest */
            for (uint32_t k = i; k < call->part_count; k++) call->parts[i - 1].count += call->parts[k].count;
            call->part_count = i;
        }
    }
    for (uint32_t i = 0; i < call->part_count && !call->why->size; i++) send_part(call, &call->parts[i]);
}

static void answer(struct call *call, struct part *part) {
    struct buffer rows = {0};
    registry_answer(call->pool->registry, &part->worker->received, &rows);
    struct frame frame = {.kind = FRAME_ROWS, .sequence = part->reply.sequence};
    if (rows.failed || frame_send(part->worker->socket, frame, rows.data, rows.size) != FRAME_DONE) lose(call, part);
    buffer_free(&rows);
}

static void take_frame(struct call *call, struct part *part) {
    struct worker *worker = part->worker;
    struct frame *frame = &part->reply;
    enum frame_outcome outcome = frame_receive(worker->socket, frame, &worker->received);
    bool is_reply = outcome == FRAME_DONE && worker->greeted && frame->sequence == worker->sequence;
    if (outcome == FRAME_DONE && frame->kind == FRAME_HELLO && !worker->greeted) {
        worker->greeted = true;
    } else if (is_reply && frame->kind == FRAME_LOOKUP) {
        answer(call, part);
    } else if (is_reply && frame->kind == FRAME_RESULT) {
        worker->owes = false;
        part->done = true;
    } else if (outcome == FRAME_DONE && frame->kind == FRAME_FAILURE) {
        worker->owes = false;
        part->done = true;
        fail(call, (const char *)worker->received.data, worker->received.size);
    } else {
        if (outcome != FRAME_CLOSED) {
            fail_text(call, "a forcedsql worker sent what is no answer; it was ended, and the next query starts a new one");
            worker_kill(worker);
            part->done = true;
        } else {
            lose(call, part);
        }
    }
}

static bool all_done(const struct call *call) {
    for (uint32_t i = 0; i < call->part_count; i++)
        if (call->parts[i].sent && !call->parts[i].done) return false;
    return true;
}

/* Wait for one of them, at first without sleeping: waking up takes longer than a short answer. */
static int wait_for(struct pollfd *items, uint32_t count) {
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int64_t waited = 0;
    while (waited < AWAKE_NS) {
        int ready = poll(items, count, 0);
        if (ready) return ready;
        clock_gettime(CLOCK_MONOTONIC, &now);
        waited = (now.tv_sec - start.tv_sec) * INT64_C(1000000000) + (now.tv_nsec - start.tv_nsec);
    }
    return poll(items, count, -1);
}

/* Handle frames until every part is done, or Ctrl-C is pressed. */
static void gather(struct call *call) {
    struct pollfd items[2 * MOST_WORKERS];
    while (!all_done(call)) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < call->part_count; i++) {
            const struct part *part = &call->parts[i];
            bool open = part->sent && !part->done;
            items[count++] = (struct pollfd){.fd = open ? part->worker->socket : -1, .events = POLLIN};
            items[count++] = (struct pollfd){.fd = open ? part->worker->interrupts : -1, .events = POLLIN};
        }
        if (wait_for(items, count) < 0 && errno != EINTR) break;
        for (uint32_t i = 0; i < call->part_count; i++) {
            struct part *part = &call->parts[i];
            if (!part->sent || part->done) continue;
            if (items[2 * i + 1].revents & POLLIN && worker_was_interrupted(part->worker)) {
                pool_interrupt(call->pool);
                fail_text(call, "interrupted");
                return;
            }
            if (items[2 * i].revents) take_frame(call, part);
        }
    }
}

static void put_together(struct call *call, duck_vector output) {
    for (uint32_t i = 0; i < call->part_count && !call->why->size; i++) {
        struct part *part = &call->parts[i];
        struct segment *segment = &part->worker->segment;
        uint64_t offset = part->reply.offset, size = part->reply.size;
        bool there = offset + size >= offset && segment_reach(segment, offset + size);
        struct reader reader = {.start = there ? segment->start + offset : NULL, .size = there ? size : 0};
        struct placement to = {.rows = part->rows};
        if (!there || !column_decode(&reader, &call->function->result, output, part->count, to))
            fail_text(call, "a forcedsql worker sent columns that cannot be read");
    }
}

static bool prepare(struct call *call, idx_t count) {
    call->rows = malloc((count + 1) * sizeof *call->rows);
    call->parts = calloc(call->pool->count, sizeof *call->parts);
    if (call->rows && call->parts) return true;
    fail_text(call, "not enough memory");
    return false;
}

bool evaluate(struct pool *pool, uint32_t index, duck_chunk chunk, duck_vector output, struct buffer *why) {
    struct call call = {.pool = pool, .function = &pool->descriptor->functions[index], .index = index, .chunk = chunk,
                        .why = why};
    idx_t count = duck.data_chunk_get_size(chunk);
    if (pool->owner != getpid()) fail_text(&call, "forcedsql's workers belong to the process that was forked; connect again in this one");
    else if (count && prepare(&call, count)) {
        send_all(&call, divide(&call, count, pool_enter(pool)));
        gather(&call);
        put_together(&call, output);
        pool_leave(pool);
        for (uint32_t i = 0; i < call.part_count; i++)
            if (call.parts[i].worker) pool_give_back(pool, call.parts[i].worker);
    }
    free(call.rows);
    free(call.parts);
    return !why->size;
}

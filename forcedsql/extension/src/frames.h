/* Frames: what travels over the socket between this extension and a worker.

   A frame is a header and `inline_size` bytes.  Columns do not travel: they are in the shared
   memory segment, at `offset`, `size` bytes.  forcedsql/extension/frames.py is the other side. */
#ifndef FORCEDSQL_FRAMES_H
#define FORCEDSQL_FRAMES_H

#include "bytes.h"

enum { FRAME_MAGIC = 0x57515346, FRAME_VERSION = 3, LARGEST_INLINE = 1 << 28 };

enum frame_kind {
    FRAME_WELCOME = 1, /* to a new worker: how many there may be, the database, the descriptor */
    FRAME_HELLO = 2,   /* from a worker that is ready */
    FRAME_CALL = 3,    /* evaluate a function: rows, its number, calls that share the processors */
    FRAME_RESULT = 4,
    FRAME_FAILURE = 5, /* a text */
    FRAME_LOOKUP = 6,  /* from a worker: what does the registry say of these exposures? */
    FRAME_ROWS = 7,    /* the registry's rows */
};

struct frame {
    uint32_t magic;
    uint16_t version, kind;
    uint64_t sequence, offset, size, inline_size;
};

enum frame_outcome { FRAME_DONE, FRAME_CLOSED, FRAME_GARBAGE, FRAME_LATE };

/* Send a frame, its magic, version and inline_size filled in. */
enum frame_outcome frame_send(int socket, struct frame frame, const void *bytes, size_t size);

/* Receive a frame that has begun to arrive, its bytes in place of what `bytes` held. */
enum frame_outcome frame_receive(int socket, struct frame *frame, struct buffer *bytes);

#endif

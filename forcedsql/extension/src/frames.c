/* Frames over a socket, whole or not at all. */
#include "frames.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { PATIENCE_MS = 10000 };

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

static bool wait_for(int socket, short events) {
    struct pollfd item = {.fd = socket, .events = events};
    int ready;
    do ready = poll(&item, 1, PATIENCE_MS);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static bool may_retry(void) { return errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK; }

enum frame_outcome frame_send(int socket, struct frame frame, const void *bytes, size_t size) {
    frame.magic = FRAME_MAGIC;
    frame.version = FRAME_VERSION;
    frame.inline_size = size;
    struct iovec parts[2] = {{&frame, sizeof frame}, {(void *)bytes, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = size ? 2 : 1};
    size_t left = sizeof frame + size;
    while (left) {
        ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            if (!may_retry()) return FRAME_CLOSED;
            if (!wait_for(socket, POLLOUT)) return FRAME_LATE;
            continue;
        }
        left -= (size_t)sent;
        for (int i = 0; i < 2; i++) {
            size_t of_part = (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len;
            parts[i].iov_base = (char *)parts[i].iov_base + of_part;
            parts[i].iov_len -= of_part;
            sent -= (ssize_t)of_part;
        }
    }
    return FRAME_DONE;
}

static enum frame_outcome receive_all(int socket, void *place, size_t size) {
    uint8_t *next = place;
    while (size) {
        ssize_t got = recv(socket, next, size, MSG_DONTWAIT);
        if (got == 0) return FRAME_CLOSED;
        if (got < 0) {
            if (!may_retry()) return FRAME_CLOSED;
            if (!wait_for(socket, POLLIN)) return FRAME_LATE;
            continue;
        }
        next += got;
        size -= (size_t)got;
    }
    return FRAME_DONE;
}

enum frame_outcome frame_receive(int socket, struct frame *frame, struct buffer *bytes) {
    enum frame_outcome outcome = receive_all(socket, frame, sizeof *frame);
    if (outcome != FRAME_DONE) return outcome;
    if (frame->magic != FRAME_MAGIC || frame->version != FRAME_VERSION || frame->inline_size > LARGEST_INLINE)
        return FRAME_GARBAGE;
    bytes->size = 0;
    void *place = buffer_add(bytes, frame->inline_size);
    if (!place && frame->inline_size) return FRAME_GARBAGE;
    return receive_all(socket, place, frame->inline_size);
}

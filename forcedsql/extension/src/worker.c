/* Starting and ending a worker process.

   It is started with its socket as file 3, its segment as 4 and the pipe for interrupts as 5,
   and with nothing else that this process has open.  Its current directory is the root, so
   that Python never imports from where the user happens to be.  It stays in the process group
   of this process, so that a terminal's Ctrl-C reaches it.  It ends when its socket is closed;
   PR_SET_PDEATHSIG would end it with the thread that started it, which DuckDB may end anytime. */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SOCKET_FILE = 3, SEGMENT_FILE, INTERRUPT_FILE, FIRST_OTHER_FILE, ABOVE_ALL = 16, MOST_FILES = 4096 };
enum { STOP_MS = 3000, SETTLE_MS = 2000, LARGEST_LOG = 1 << 20 };

extern char **environ;

struct files {
    int socket, segment, interrupts, log, nothing;
};

/* Duplicate a file to a number that none of those in the worker has. */
static int above(int file) { return file < 0 ? -1 : fcntl(file, F_DUPFD_CLOEXEC, ABOVE_ALL); }

static int open_log(const char *path) {
    struct stat status;
    int emptied = stat(path, &status) == 0 && status.st_size > LARGEST_LOG ? O_TRUNC : 0;
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | emptied, 0600);
    return log >= 0 ? log : open("/dev/null", O_WRONLY | O_CLOEXEC);
}

static void close_others(void) {
#ifdef SYS_close_range
    if (syscall(SYS_close_range, FIRST_OTHER_FILE, ~0U, 0) == 0) return;
#endif
    for (int file = FIRST_OTHER_FILE; file < MOST_FILES; file++) close(file);
}

/* In the new process: only what is safe between fork and exec. */
static void become_worker(struct files files, char **command) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    bool done = dup2(files.nothing, STDIN_FILENO) >= 0 && dup2(files.log, STDOUT_FILENO) >= 0 &&
                dup2(files.log, STDERR_FILENO) >= 0 && dup2(files.socket, SOCKET_FILE) >= 0 &&
                dup2(files.segment, SEGMENT_FILE) >= 0 && dup2(files.interrupts, INTERRUPT_FILE) >= 0 &&
                chdir("/") == 0;
    close_others();
    if (done) execve(command[0], command, environ);
    static const char complaint[] = ": cannot be started\n";
    if (write(STDERR_FILENO, command[0], strlen(command[0])) >= 0 &&
        write(STDERR_FILENO, complaint, sizeof complaint - 1) >= 0)
        _exit(127);
    _exit(126);
}

static pid_t start_process(struct files files, char **command) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) become_worker(files, command);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

static void close_all(int count, const int *files) {
    for (int i = 0; i < count; i++)
        if (files[i] >= 0) close(files[i]);
}

static bool open_channels(int sockets[2], int pipes[2]) {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets)) return false;
    if (pipe(pipes)) return false;
    for (int i = 0; i < 2; i++) {
        fcntl(sockets[i], F_SETFD, FD_CLOEXEC);
        fcntl(pipes[i], F_SETFD, FD_CLOEXEC);
        fcntl(pipes[i], F_SETFL, O_NONBLOCK);
    }
    return true;
}

bool worker_start(struct worker *worker, const struct descriptor *descriptor, const struct buffer *welcome) {
    int sockets[2] = {-1, -1}, pipes[2] = {-1, -1};
    *worker = (struct worker){.socket = -1, .interrupts = -1, .segment.file = -1, .received = worker->received,
                              .sequence = worker->sequence};
    bool opened = open_channels(sockets, pipes) && segment_make(&worker->segment);
    int log = open_log(descriptor->log), nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct files files = {above(sockets[1]), above(worker->segment.file), above(pipes[1]), above(log), above(nothing)};
    int made[] = {files.socket, files.segment, files.interrupts, files.log, files.nothing};
    for (int i = 0; i < 5; i++) opened = opened && made[i] >= 0;
    pid_t pid = opened ? start_process(files, descriptor->command.items) : -1;
    int refusal = errno;
    close_all(5, made);
    close_all(4, (int[]){sockets[1], pipes[1], log, nothing});
    worker->socket = sockets[0];
    worker->interrupts = pipes[0];
    if (pid > 0) {
        worker->pid = pid;
        frame_send(worker->socket, (struct frame){.kind = FRAME_WELCOME}, welcome->data, welcome->size);
        return true;
    }
    worker_forget(worker);
    errno = refusal;
    return false;
}

void worker_forget(struct worker *worker) {
    close_all(2, (int[]){worker->socket, worker->interrupts});
    segment_free(&worker->segment);
    worker->socket = worker->interrupts = -1;
    worker->pid = 0;
}

bool worker_lives(const struct worker *worker) {
    char byte;
    return worker->pid && recv(worker->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

static int64_t milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

bool worker_settle(struct worker *worker) {
    int64_t end = milliseconds() + SETTLE_MS;
    while (worker->owes) {
        int64_t left = end - milliseconds();
        struct pollfd item = {.fd = worker->socket, .events = POLLIN};
        if (left <= 0) return false;
        if (poll(&item, 1, (int)left) <= 0) continue;
        struct frame frame;
        if (frame_receive(worker->socket, &frame, &worker->received) != FRAME_DONE) return false;
        bool is_reply = frame.kind == FRAME_RESULT || frame.kind == FRAME_FAILURE;
        if (frame.kind == FRAME_HELLO) worker->greeted = true;
        else if (frame.kind == FRAME_LOOKUP) return false; /* it should have been interrupted long since */
        else if (is_reply && frame.sequence == worker->sequence) worker->owes = false;
        else return false;
    }
    return true;
}

void worker_clear_interrupts(struct worker *worker) {
    char bytes[64];
    while (read(worker->interrupts, bytes, sizeof bytes) > 0) continue;
}

bool worker_was_interrupted(struct worker *worker) {
    char byte;
    while (read(worker->interrupts, &byte, 1) > 0)
        if (byte == SIGINT) return true;
    return false;
}

int worker_kill(struct worker *worker) {
    int status = -1;
    if (worker->pid) {
        kill(worker->pid, SIGKILL);
        while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR) continue;
    }
    worker_forget(worker);
    return status;
}

void worker_stop(struct worker *worker) {
    if (!worker->pid) return;
    close(worker->socket);
    worker->socket = -1;
    for (int waited = 0; waited < STOP_MS; waited += 2) {
        if (waitpid(worker->pid, NULL, WNOHANG) != 0) {
            worker_forget(worker);
            return;
        }
        poll(NULL, 0, 2);
    }
    worker_kill(worker);
}

/* Memory shared with one worker, of a file without a name. */
#define _GNU_SOURCE
#include "segment.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_SIZE = 1 << 20, KEPT_SIZE = 1 << 24 };
static const size_t LARGEST_SIZE = (size_t)1 << 33;

#ifdef __linux__
static int make_file(void) {
    int file = memfd_create("forcedsql", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    /* A worker that shrinks it would crash this process. */
    if (file >= 0 && fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK)) {
        close(file);
        return -1;
    }
    return file;
}
#else
static int make_file(void) {
    char name[64];
    snprintf(name, sizeof name, "/forcedsql-%ld", (long)getpid());
    int file = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (file < 0) return -1;
    shm_unlink(name);
    fcntl(file, F_SETFD, FD_CLOEXEC);
    return file;
}
#endif

static bool map(struct segment *segment, size_t size) {
    void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, segment->file, 0);
    if (start == MAP_FAILED) return false;
    if (segment->start) munmap(segment->start, segment->size);
    segment->start = start;
    segment->size = size;
    return true;
}

bool segment_make(struct segment *segment) {
    *segment = (struct segment){.file = make_file()};
    if (segment->file >= 0 && ftruncate(segment->file, FIRST_SIZE) == 0 && map(segment, FIRST_SIZE)) return true;
    segment_free(segment);
    return false;
}

static size_t size_of_file(const struct segment *segment) {
    struct stat status;
    return fstat(segment->file, &status) || status.st_size < 0 ? 0 : (size_t)status.st_size;
}

bool segment_grow(struct segment *segment, size_t size) {
    if (size <= segment->size) return true;
    if (size > LARGEST_SIZE) return false;
    size_t wanted = segment->size;
    while (wanted < size) wanted *= 2;
    if (size_of_file(segment) < wanted && ftruncate(segment->file, (off_t)wanted)) return false;
    return map(segment, wanted);
}

bool segment_reach(struct segment *segment, uint64_t size) {
    if (size <= segment->size) return true;
    return size <= LARGEST_SIZE && size_of_file(segment) >= size && map(segment, size_of_file(segment));
}

void segment_trim(struct segment *segment) {
#ifdef __linux__
    if (segment->size > KEPT_SIZE)
        fallocate(segment->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, KEPT_SIZE,
                  (off_t)(segment->size - KEPT_SIZE));
#else
    (void)segment;
#endif
}

void segment_free(struct segment *segment) {
    if (segment->start) munmap(segment->start, segment->size);
    if (segment->file >= 0) close(segment->file);
    *segment = (struct segment){.file = -1};
}

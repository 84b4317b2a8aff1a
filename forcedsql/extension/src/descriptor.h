/* The descriptor: what Python tells this extension about itself.

   forcedsql/extension/descriptor.py writes it: how a worker is started, where it writes its
   messages, and every SQL function with its names and types. */
#ifndef FORCEDSQL_DESCRIPTOR_H
#define FORCEDSQL_DESCRIPTOR_H

#include "types.h"

enum { DESCRIPTOR_MAGIC = 0x44515346, DESCRIPTOR_VERSION = 2 };

struct texts {
    uint32_t count;
    char **items;
};

/* A function that returns `constant`, or one that workers evaluate: `together` says that all rows go to
   the same worker, which remembers what was told it by another call. */
struct function {
    struct texts names;
    uint32_t parameter_count;
    struct type *parameters;
    struct type result;
    bool together;
    bool is_constant;
    char *constant;
};

struct descriptor {
    struct buffer bytes; /* as they came, for the workers */
    struct texts command;
    char *log;
    uint32_t workers; /* 0: one per processor */
    uint32_t registry_columns; /* of the first of the two queries, the first being the id */
    struct texts registry;
    struct texts macros; /* statements */
    uint32_t function_count;
    struct function *functions;
};

/* Take over the bytes; return NULL, or what is wrong with them.  Free it in either case. */
const char *descriptor_read(struct descriptor *descriptor, struct buffer bytes);
void descriptor_free(struct descriptor *descriptor);

#endif

/* What workers may know of the exposure registry: files by exposure id.

   A worker cannot open the database, because this process has it open for writing, and this
   extension may not hold a connection of its own, because that would keep the file open after
   the user has closed it.  So the registry is read once, with the connection that DuckDB lends
   while it loads the extension.  No other process can change it meanwhile.

   A host process that knows better, such as Python, answers each question itself. */
#ifndef FORCEDSQL_REGISTRY_H
#define FORCEDSQL_REGISTRY_H

#include "api.h"
#include "bytes.h"
#include "descriptor.h"

/* Answer a question with forcedsql_reply, before returning. */
typedef void forcedsql_lookup(const uint8_t *question, uint64_t size, void *reply);

/* The values of a row as texts, NULL for NULL; the first is the exposure's id. */
struct registered {
    char **values, *layout;
};

struct registry {
    forcedsql_lookup *host;
    struct registered *rows; /* in order of their ids */
    size_t count, capacity;
    uint32_t columns;
    char *shown; /* name of the database in messages */
};

/* Read the registries of all attached databases; the current one goes first where ids meet. */
bool registry_read(struct registry *registry, duck_connection connection, const struct descriptor *descriptor);
/* Answer a worker's question.  Both are as in forcedsql/extension/questions.py. */
void registry_answer(const struct registry *registry, const struct buffer *question, struct buffer *answer);
void registry_free(struct registry *registry);

#endif

/* What a host process may call: Python does, before it loads the extension. */
#ifndef FORCEDSQL_EXTENSION_H
#define FORCEDSQL_EXTENSION_H

#include "registry.h"

#define EXPORTED __attribute__((visibility("default")))

/* Give the next database that loads the extension a descriptor, its name in messages, and a
   registry; 0 is success. */
EXPORTED int forcedsql_host(const uint8_t *descriptor, uint64_t size, const char *shown, forcedsql_lookup *lookup);
/* Answer the question of a forcedsql_lookup. */
EXPORTED void forcedsql_reply(void *reply, const uint8_t *bytes, uint64_t size);
/* DuckDB's entry. */
EXPORTED bool forcedsql_init_c_api(duck_info info, struct duck_access *access);

#endif

/* A SQL function on a chunk of rows. */
#ifndef FORCEDSQL_EVALUATE_H
#define FORCEDSQL_EVALUATE_H

#include "pool.h"

/* Evaluate; DuckDB shows what is written to `why`.  `index` is the function's number. */
bool evaluate(struct pool *pool, uint32_t index, duck_chunk chunk, duck_vector output, struct buffer *why);

#endif

/* The part of DuckDB's stable C extension API, version 1.2.0, that this extension uses.

   DuckDB hands an extension one array of function pointers whose order is fixed for good; the
   numbers below are places in it.  tests/extension/test_api.py asks the DuckDB at hand for the
   name of the function at each place. */
#ifndef FORCEDSQL_API_H
#define FORCEDSQL_API_H

#include <stdbool.h>
#include <stdint.h>

#define DUCK_API_VERSION "v1.2.0"

typedef uint64_t idx_t;
typedef void *duck_database, *duck_connection, *duck_chunk, *duck_vector, *duck_type, *duck_function, *duck_info;
typedef int duck_state; /* 0 is success */
typedef void duck_destroy(void *);
typedef void duck_scalar(duck_info, duck_chunk, duck_vector);

/* What a query gives; only DuckDB looks inside. */
typedef struct {
    idx_t unused[3];
    void *pointers[3];
} duck_result;

/* A string in a vector: up to 12 bytes are in place, longer ones elsewhere. */
typedef struct {
    uint32_t length;
    char start[4];
    union {
        char rest[8];
        const char *pointer;
    };
} duck_string;

/* A list in a vector: its place in the vector of elements. */
typedef struct {
    idx_t offset, length;
} duck_list;

enum { DUCK_BOOLEAN = 1, DUCK_INTEGER = 4, DUCK_BIGINT = 5, DUCK_FLOAT = 10, DUCK_DOUBLE = 11, DUCK_VARCHAR = 17 };

#define DUCK_FUNCTIONS(X) \
    X(3, duck_state, connect, (duck_database, duck_connection *)) \
    X(6, void, disconnect, (duck_connection *)) \
    X(13, duck_state, query, (duck_connection, const char *, duck_result *)) \
    X(14, void, destroy_result, (duck_result *)) \
    X(156, duck_type, create_logical_type, (int)) \
    X(159, duck_type, create_list_type, (duck_type)) \
    X(163, duck_type, create_struct_type, (duck_type *, const char **, idx_t)) \
    X(184, void, destroy_logical_type, (duck_type *)) \
    X(187, void, destroy_data_chunk, (duck_chunk *)) \
    X(190, duck_vector, data_chunk_get_vector, (duck_chunk, idx_t)) \
    X(191, idx_t, data_chunk_get_size, (duck_chunk)) \
    X(194, void *, vector_get_data, (duck_vector)) \
    X(195, uint64_t *, vector_get_validity, (duck_vector)) \
    X(196, void, vector_ensure_validity_writable, (duck_vector)) \
    X(198, void, vector_assign_string_element_len, (duck_vector, idx_t, const char *, idx_t)) \
    X(199, duck_vector, list_vector_get_child, (duck_vector)) \
    X(200, idx_t, list_vector_get_size, (duck_vector)) \
    X(201, duck_state, list_vector_set_size, (duck_vector, idx_t)) \
    X(202, duck_state, list_vector_reserve, (duck_vector, idx_t)) \
    X(203, duck_vector, struct_vector_get_child, (duck_vector, idx_t)) \
    X(209, duck_function, create_scalar_function, (void)) \
    X(210, void, destroy_scalar_function, (duck_function *)) \
    X(211, void, scalar_function_set_name, (duck_function, const char *)) \
    X(213, void, scalar_function_set_special_handling, (duck_function)) \
    X(214, void, scalar_function_set_volatile, (duck_function)) \
    X(215, void, scalar_function_add_parameter, (duck_function, duck_type)) \
    X(216, void, scalar_function_set_return_type, (duck_function, duck_type)) \
    X(217, void, scalar_function_set_extra_info, (duck_function, void *, duck_destroy *)) \
    X(218, void, scalar_function_set_function, (duck_function, duck_scalar *)) \
    X(219, duck_state, register_scalar_function, (duck_connection, duck_function)) \
    X(220, void *, scalar_function_get_extra_info, (duck_info)) \
    X(221, void, scalar_function_set_error, (duck_info, const char *)) \
    X(306, duck_chunk, fetch_chunk, (duck_result))

#define DUCK_MEMBER(place, result, name, arguments) result(*name) arguments;
struct duck_api {
    DUCK_FUNCTIONS(DUCK_MEMBER)
};
#undef DUCK_MEMBER

/* What the DuckDB that loaded this extension can do. */
extern struct duck_api duck;

/* How DuckDB and an extension get to know each other. */
struct duck_access {
    void (*set_error)(duck_info, const char *);
    duck_database *(*get_database)(duck_info);
    void *const *(*get_api)(duck_info, const char *version);
};

/* Take the function pointers; false if another DuckDB in this process has given others. */
bool duck_take(void *const *places);

#endif

/* The entry: functions registered, macros made, the registry read. */
#define _GNU_SOURCE
#include "extension.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evaluate.h"

static const char DESCRIPTOR_VARIABLE[] = "FORCEDSQL_DESCRIPTOR_FILE";
enum { LARGEST_DESCRIPTOR = 1 << 24 };

/* What belongs to one database; every function of it holds a share. */
struct extension {
    atomic_int shares;
    struct descriptor descriptor;
    struct registry registry;
    struct pool pool;
    bool has_pool;
};

struct share {
    struct extension *extension;
    uint32_t index;
};

static pthread_mutex_t host_lock = PTHREAD_MUTEX_INITIALIZER;
static struct buffer host_descriptor;
static forcedsql_lookup *host_lookup;
static char *host_shown;

int forcedsql_host(const uint8_t *descriptor, uint64_t size, const char *shown, forcedsql_lookup *lookup) {
    pthread_mutex_lock(&host_lock);
    free(host_shown);
    host_shown = strdup(shown);
    buffer_free(&host_descriptor);
    buffer_put(&host_descriptor, descriptor, size);
    host_lookup = lookup;
    bool failed = host_descriptor.failed || !host_shown;
    pthread_mutex_unlock(&host_lock);
    return failed ? -1 : 0;
}

void forcedsql_reply(void *reply, const uint8_t *bytes, uint64_t size) { buffer_put(reply, bytes, size); }

static void release(struct extension *extension) {
    if (atomic_fetch_sub(&extension->shares, 1) > 1) return;
    if (extension->has_pool) pool_free(&extension->pool);
    registry_free(&extension->registry);
    descriptor_free(&extension->descriptor);
    free(extension);
}

static void release_share(void *data) {
    struct share *share = data;
    release(share->extension);
    free(share);
}

static void return_constant(const struct function *function, duck_chunk chunk, duck_vector output) {
    size_t length = strlen(function->constant);
    for (idx_t row = 0; row < duck.data_chunk_get_size(chunk); row++)
        duck.vector_assign_string_element_len(output, row, function->constant, length);
}

static void run_function(duck_info info, duck_chunk chunk, duck_vector output) {
    struct share *share = duck.scalar_function_get_extra_info(info);
    const struct function *function = &share->extension->descriptor.functions[share->index];
    struct buffer why = {0};
    if (function->is_constant) {
        return_constant(function, chunk, output);
    } else if (!evaluate(&share->extension->pool, share->index, chunk, output, &why)) {
        buffer_put(&why, "", 1);
        duck.scalar_function_set_error(info, why.failed ? "not enough memory" : (const char *)why.data);
    }
    buffer_free(&why);
}

/* Register a function by one of its names.  Those after the first are for macros, see SqlFunction
   in forcedsql/database/functions.py: DuckDB is not to copy such a call into a filter. */
static bool register_function(duck_connection connection, struct extension *extension, uint32_t index,
                              uint32_t place) {
    const struct function *function = &extension->descriptor.functions[index];
    struct share *share = malloc(sizeof *share);
    if (!share) return false;
    *share = (struct share){extension, index};
    atomic_fetch_add(&extension->shares, 1);
    duck_function made = duck.create_scalar_function();
    duck.scalar_function_set_name(made, function->names.items[place]);
    if (place > 0) duck.scalar_function_set_volatile(made);
    for (uint32_t i = 0; i < function->parameter_count; i++) {
        duck_type type = type_logical(&function->parameters[i]);
        duck.scalar_function_add_parameter(made, type);
        duck.destroy_logical_type(&type);
    }
    duck_type result = type_logical(&function->result);
    duck.scalar_function_set_return_type(made, result);
    duck.destroy_logical_type(&result);
    duck.scalar_function_set_special_handling(made); /* rows with NULLs are ours to answer */
    duck.scalar_function_set_extra_info(made, share, release_share);
    duck.scalar_function_set_function(made, run_function);
    bool done = duck.register_scalar_function(connection, made) == 0;
    duck.destroy_scalar_function(&made);
    return done;
}

/* Read a file from its start, wherever its position is; false if that cannot be. */
static bool read_whole(int file, struct buffer *bytes) {
    for (;;) {
        void *place = buffer_add(bytes, 1 << 16);
        ssize_t got = place ? pread(file, place, 1 << 16, (off_t)(bytes->size - (1 << 16))) : -1;
        if (got < 0 || bytes->size > LARGEST_DESCRIPTOR) return false;
        bytes->size -= (size_t)((1 << 16) - got);
        if (got == 0) return true;
    }
}

/* Read the file that `forcedsql shell` has opened for us, or the one beside this library. */
static bool read_descriptor(struct buffer *bytes, char *shown, size_t room) {
    const char *number = getenv(DESCRIPTOR_VARIABLE);
    if (number) {
        snprintf(shown, room, "%s=%s", DESCRIPTOR_VARIABLE, number);
        return read_whole(atoi(number), bytes);
    }
    Dl_info self;
    if (!dladdr(read_descriptor, &self) || !self.dli_fname) return false;
    snprintf(shown, room, "%s.descriptor", self.dli_fname);
    FILE *file = fopen(shown, "rb");
    bool done = file && read_whole(fileno(file), bytes);
    if (file) fclose(file);
    return done;
}

/* Return NULL, or what is wrong, in `text`. */
static const char *prepare(struct extension *extension, duck_connection connection, char *text, size_t room) {
    char shown[1024] = "the descriptor";
    struct buffer bytes = {0};
    pthread_mutex_lock(&host_lock);
    if (host_descriptor.size) {
        bytes = host_descriptor;
        extension->registry.host = host_lookup;
        extension->registry.shown = host_shown;
        host_descriptor = (struct buffer){0};
        host_shown = NULL;
    }
    pthread_mutex_unlock(&host_lock);
    if (!bytes.size && !read_descriptor(&bytes, shown, sizeof shown)) {
        buffer_free(&bytes);
        snprintf(text, room, "%s cannot be read; run: forcedsql extension install", shown);
        return text;
    }
    const char *wrong = descriptor_read(&extension->descriptor, bytes);
    if (wrong) {
        snprintf(text, room, "%s %s; run: forcedsql extension install", shown, wrong);
        return text;
    }
    if (!extension->registry.host && !registry_read(&extension->registry, connection, &extension->descriptor)) return "not enough memory";
    extension->has_pool = pool_make(&extension->pool, &extension->descriptor, &extension->registry);
    return extension->has_pool ? NULL : "not enough memory";
}

/* Make the macros in a database in memory; a file has its own, and is not written to.  Those
   that need the registry's tables cannot be made where there are none. */
static void make_macros(duck_connection connection, const struct texts *macros) {
    static const char IS_FILE[] = "SELECT error('a file') FROM duckdb_databases() "
                                  "WHERE database_name = current_database() AND path IS NOT NULL";
    duck_result result;
    bool in_memory = duck.query(connection, IS_FILE, &result) == 0;
    duck.destroy_result(&result);
    for (uint32_t i = 0; in_memory && i < macros->count; i++) {
        duck.query(connection, macros->items[i], &result);
        duck.destroy_result(&result);
    }
}

static const char *load(duck_connection connection, char *text, size_t room) {
    struct extension *extension = calloc(1, sizeof *extension);
    if (!extension) return "not enough memory";
    atomic_init(&extension->shares, 1);
    const char *wrong = prepare(extension, connection, text, room);
    if (!wrong && !pool_setting_is_valid()) {
        snprintf(text, room, WORKERS_VARIABLE "=%s is not a whole number from 1 to 99999", getenv(WORKERS_VARIABLE));
        wrong = text;
    }
    for (uint32_t i = 0; !wrong && i < extension->descriptor.function_count; i++) {
        const struct texts *names = &extension->descriptor.functions[i].names;
        for (uint32_t k = 0; !wrong && k < names->count; k++) {
            if (register_function(connection, extension, i, k)) continue;
            snprintf(text, room, "the function %s cannot be registered", names->items[k]);
            wrong = text;
        }
    }
    if (!wrong) make_macros(connection, &extension->descriptor.macros);
    release(extension);
    return wrong;
}

bool forcedsql_init_c_api(duck_info info, struct duck_access *access) {
    void *const *places = access->get_api(info, DUCK_API_VERSION);
    if (!places) return false;
    if (!duck_take(places)) {
        access->set_error(info, "another DuckDB in this process has loaded forcedsql");
        return false;
    }
    duck_database *database = access->get_database(info);
    duck_connection connection;
    if (!database || duck.connect(*database, &connection)) {
        access->set_error(info, "forcedsql cannot connect to the database");
        return false;
    }
    char text[2048];
    const char *wrong = load(connection, text, sizeof text);
    duck.disconnect(&connection);
    if (wrong) access->set_error(info, wrong);
    return !wrong;
}

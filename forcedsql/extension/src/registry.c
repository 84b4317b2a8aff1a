/* The exposure registry as it was when the extension was loaded. */
#define _GNU_SOURCE
#include "registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"

enum { WITH_LAYOUTS = 1, MOST_QUESTIONS = 1 << 16 };
static const size_t MOST_LAYOUT_BYTES = (size_t)1 << 27;

static const char DATABASES[] =
    "SELECT '\"' || replace(database_name, '\"', '\"\"') || '\"', coalesce(path, 'the database in memory') "
    "FROM duckdb_tables() JOIN duckdb_databases() USING (database_name) "
    "WHERE schema_name = 'main' AND table_name = 'exposure' ORDER BY database_name <> current_database()";
static const char EXPOSURES[] = "SELECT exposure_id, access_url, sha256, file_size, file_mtime_ns FROM %s.main.exposure";
static const char LAYOUTS[] = "SELECT exposure_id, layout FROM %s.main.exposure_layout";

/* Return a string of a chunk as a new one; "" for NULL. */
static char *text_at(duck_chunk chunk, idx_t column, idx_t row) {
    duck_vector vector = duck.data_chunk_get_vector(chunk, column);
    if (!row_is_valid(duck.vector_get_validity(vector), row)) return strdup("");
    const duck_string *string = (const duck_string *)duck.vector_get_data(vector) + row;
    return strndup(string_text(string), string->length);
}

static int64_t number_at(duck_chunk chunk, idx_t column, idx_t row) {
    return ((const int64_t *)duck.vector_get_data(duck.data_chunk_get_vector(chunk, column)))[row];
}

typedef bool take_row(void *target, duck_chunk chunk, idx_t row);

/* Run a query whose %s is the name of a database; one that fails has no rows. */
static bool each_row(duck_connection connection, const char *query, const char *database, take_row *take, void *target) {
    char text[1024];
    duck_result result;
    if (snprintf(text, sizeof text, query, database) >= (int)sizeof text) return true;
    bool done = true;
    if (duck.query(connection, text, &result) == 0) {
        duck_chunk chunk;
        while ((chunk = duck.fetch_chunk(result))) {
            for (idx_t row = 0; done && row < duck.data_chunk_get_size(chunk); row++) done = take(target, chunk, row);
            duck.destroy_data_chunk(&chunk);
        }
    }
    duck.destroy_result(&result);
    return done;
}

static int by_id(const void *a, const void *b) {
    return strcmp(((const struct registered *)a)->exposure_id, ((const struct registered *)b)->exposure_id);
}

static struct registered *find(const struct registry *registry, char *exposure_id) {
    struct registered wanted = {.exposure_id = exposure_id};
    if (!registry->count) return NULL;
    return bsearch(&wanted, registry->rows, registry->count, sizeof wanted, by_id);
}

static void free_row(struct registered *row) {
    free(row->exposure_id);
    free(row->path);
    free(row->sha256);
    free(row->layout);
}

static bool add_row(struct registry *registry, struct registered row) {
    if (registry->count == registry->capacity) {
        size_t capacity = registry->capacity ? 2 * registry->capacity : 64;
        struct registered *rows = realloc(registry->rows, capacity * sizeof row);
        if (!rows) return false;
        registry->rows = rows;
        registry->capacity = capacity;
    }
    registry->rows[registry->count++] = row;
    return true;
}

static bool take_exposure(void *target, duck_chunk chunk, idx_t row) {
    struct registered made = {.exposure_id = text_at(chunk, 0, row),
                              .path = text_at(chunk, 1, row),
                              .sha256 = text_at(chunk, 2, row),
                              .size = number_at(chunk, 3, row),
                              .mtime_ns = number_at(chunk, 4, row)};
    if (made.exposure_id && made.path && made.sha256 && add_row(target, made)) return true;
    free_row(&made);
    return false;
}

struct layouts {
    struct registry *registry;
    size_t left;
};

static bool take_layout(void *target, duck_chunk chunk, idx_t row) {
    struct layouts *layouts = target;
    char *exposure_id = text_at(chunk, 0, row), *layout = text_at(chunk, 1, row);
    struct registered *known = exposure_id && layout ? find(layouts->registry, exposure_id) : NULL;
    if (known && !known->layout && strlen(layout) <= layouts->left) {
        layouts->left -= strlen(layout);
        known->layout = layout;
        layout = NULL;
    }
    free(exposure_id);
    free(layout);
    return true;
}

/* Add what a database has and those before it have not. */
static bool add_database(struct registry *registry, duck_connection connection, const char *name) {
    struct registry found = {0};
    bool done = each_row(connection, EXPOSURES, name, take_exposure, &found);
    size_t before = registry->count;
    for (size_t i = 0; i < found.count; i++) {
        struct registry known = {.rows = registry->rows, .count = before};
        if (!done || find(&known, found.rows[i].exposure_id)) free_row(&found.rows[i]);
        else if (!add_row(registry, found.rows[i])) done = false, free_row(&found.rows[i]);
    }
    free(found.rows);
    if (registry->count) qsort(registry->rows, registry->count, sizeof *registry->rows, by_id);
    return done;
}

struct names {
    char *name[32], *shown;
    size_t count;
};

static bool take_name(void *target, duck_chunk chunk, idx_t row) {
    struct names *names = target;
    if (names->count == sizeof names->name / sizeof *names->name) return true;
    if (!names->shown) names->shown = text_at(chunk, 1, row);
    return (names->name[names->count++] = text_at(chunk, 0, row)) != NULL;
}

bool registry_read(struct registry *registry, duck_connection connection) {
    struct names names = {0};
    bool done = each_row(connection, "%s", DATABASES, take_name, &names);
    struct layouts layouts = {.registry = registry, .left = MOST_LAYOUT_BYTES};
    for (size_t i = 0; i < names.count; i++) {
        done = done && names.name[i] && add_database(registry, connection, names.name[i]);
        done = done && each_row(connection, LAYOUTS, names.name[i], take_layout, &layouts);
        free(names.name[i]);
    }
    registry->shown = names.shown ? names.shown : strdup("the databases that were open when forcedsql was loaded");
    return done && registry->shown;
}

static void put_row(struct buffer *answer, const struct registered *row, bool with_layout) {
    buffer_put_u32(answer, row != NULL);
    if (!row) return;
    const char *layout = with_layout && row->layout ? row->layout : "";
    buffer_put_text(answer, row->path, strlen(row->path));
    buffer_put_i64(answer, row->size);
    buffer_put_i64(answer, row->mtime_ns);
    buffer_put_text(answer, row->sha256, strlen(row->sha256));
    buffer_put_text(answer, layout, strlen(layout));
}

void registry_answer(const struct registry *registry, const struct buffer *question, struct buffer *answer) {
    if (registry->host) {
        registry->host(question->data, question->size, answer);
        return;
    }
    struct reader reader = {.start = question->data, .size = question->size};
    uint32_t flags = reader_u32(&reader), count = reader_u32(&reader);
    buffer_put_text(answer, "", 0); /* no error */
    for (uint32_t i = 0; i < count && i < MOST_QUESTIONS && !reader.failed; i++) {
        char *exposure_id = reader_text(&reader);
        put_row(answer, exposure_id ? find(registry, exposure_id) : NULL, flags & WITH_LAYOUTS);
        free(exposure_id);
    }
}

void registry_free(struct registry *registry) {
    for (size_t i = 0; i < registry->count; i++) free_row(&registry->rows[i]);
    free(registry->rows);
    free(registry->shown);
    *registry = (struct registry){0};
}

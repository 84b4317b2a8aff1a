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
static const char SCHEMA[] = "{schema}", SCHEMA_OF_DATABASE[] = ".main";

/* Return a string of a chunk as a new one, NULL for NULL. */
static char *text_at(duck_chunk chunk, idx_t column, idx_t row) {
    duck_vector vector = duck.data_chunk_get_vector(chunk, column);
    if (!row_is_valid(duck.vector_get_validity(vector), row)) return NULL;
    const duck_string *string = (const duck_string *)duck.vector_get_data(vector) + row;
    return strndup(string_text(string), string->length);
}

/* Write a query into `text`, each {schema} in it replaced by that of a database. */
static void put_query(struct buffer *text, const char *query, const char *database) {
    const char *place;
    for (; (place = strstr(query, SCHEMA)); query = place + strlen(SCHEMA)) {
        buffer_put(text, query, (size_t)(place - query));
        buffer_put(text, database, strlen(database));
        buffer_put(text, SCHEMA_OF_DATABASE, strlen(SCHEMA_OF_DATABASE));
    }
    buffer_put(text, query, strlen(query) + 1);
}

typedef bool take_row(void *target, duck_chunk chunk, idx_t row);

/* Run a query on a database; one that fails has no rows. */
static bool each_row(duck_connection connection, const char *query, const char *database, take_row *take, void *target) {
    struct buffer text = {0};
    duck_result result;
    put_query(&text, query, database);
    bool done = !text.failed;
    if (done && duck.query(connection, (const char *)text.data, &result) == 0) {
        duck_chunk chunk;
        while ((chunk = duck.fetch_chunk(result))) {
            for (idx_t row = 0; done && row < duck.data_chunk_get_size(chunk); row++) done = take(target, chunk, row);
            duck.destroy_data_chunk(&chunk);
        }
    }
    if (!text.failed) duck.destroy_result(&result);
    buffer_free(&text);
    return done;
}

static int by_id(const void *a, const void *b) {
    return strcmp(((const struct registered *)a)->values[0], ((const struct registered *)b)->values[0]);
}

static struct registered *find(const struct registry *registry, char *exposure_id) {
    struct registered wanted = {.values = &exposure_id};
    if (!registry->count) return NULL;
    return bsearch(&wanted, registry->rows, registry->count, sizeof wanted, by_id);
}

static void free_row(struct registered *row, uint32_t columns) {
    for (uint32_t i = 0; row->values && i < columns; i++) free(row->values[i]);
    free(row->values);
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
    struct registry *found = target;
    struct registered made = {.values = calloc(found->columns, sizeof *made.values)};
    for (uint32_t i = 0; made.values && i < found->columns; i++) made.values[i] = text_at(chunk, i, row);
    if (made.values && made.values[0] && add_row(found, made)) return true;
    free_row(&made, found->columns);
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
static bool add_database(struct registry *registry, duck_connection connection, const char *query, const char *name) {
    struct registry found = {.columns = registry->columns};
    bool done = each_row(connection, query, name, take_exposure, &found);
    size_t before = registry->count;
    for (size_t i = 0; i < found.count; i++) {
        struct registry known = {.rows = registry->rows, .count = before};
        if (!done || find(&known, found.rows[i].values[0])) free_row(&found.rows[i], found.columns);
        else if (!add_row(registry, found.rows[i])) done = false, free_row(&found.rows[i], found.columns);
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

bool registry_read(struct registry *registry, duck_connection connection, const struct descriptor *descriptor) {
    char *const *queries = descriptor->registry.items;
    struct names names = {0};
    registry->columns = descriptor->registry_columns;
    bool done = each_row(connection, DATABASES, "", take_name, &names);
    struct layouts layouts = {.registry = registry, .left = MOST_LAYOUT_BYTES};
    for (size_t i = 0; i < names.count; i++) {
        done = done && names.name[i] && add_database(registry, connection, queries[0], names.name[i]);
        done = done && each_row(connection, queries[1], names.name[i], take_layout, &layouts);
        free(names.name[i]);
    }
    const char *shown = names.shown ? names.shown : "the open databases";
    if (asprintf(&registry->shown, "%s, as it was when this shell loaded forcedsql (start it again after a change)",
                 shown) < 0)
        registry->shown = NULL;
    free(names.shown);
    return done && registry->shown;
}

static void put_row(struct buffer *answer, const struct registered *row, uint32_t columns, bool with_layout) {
    buffer_put_u32(answer, row != NULL);
    if (!row) return;
    for (uint32_t i = 0; i < columns; i++) {
        buffer_put_u32(answer, row->values[i] != NULL);
        if (row->values[i]) buffer_put_text(answer, row->values[i], strlen(row->values[i]));
    }
    const char *layout = with_layout && row->layout ? row->layout : "";
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
        put_row(answer, exposure_id ? find(registry, exposure_id) : NULL, registry->columns, flags & WITH_LAYOUTS);
        free(exposure_id);
    }
}

void registry_free(struct registry *registry) {
    for (size_t i = 0; i < registry->count; i++) free_row(&registry->rows[i], registry->columns);
    free(registry->rows);
    free(registry->shown);
    *registry = (struct registry){0};
}

/* DuckDB's functions, taken from the array in which it hands them over. */
#include "api.h"

#include <string.h>

struct duck_api duck;

bool duck_take(void *const *places) {
    struct duck_api taken;
#define DUCK_TAKE(place, result, name, arguments) memcpy(&taken.name, &places[place], sizeof taken.name);
    DUCK_FUNCTIONS(DUCK_TAKE)
#undef DUCK_TAKE
    if (duck.connect && memcmp(&taken, &duck, sizeof duck)) return false;
    duck = taken;
    return true;
}

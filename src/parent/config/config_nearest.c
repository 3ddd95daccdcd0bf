#include <string.h>

#include "parent/config/config_tree.h"

#define NEAR_MAX 2 /* letters to change */

/* How many letters must be changed, added or removed to get from a to b. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[CONFIG_NAME_SIZE], before, saved, best;
	size_t n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		before = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			saved = row[j + 1];
			best = before + (a[i] != b[j]);
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (saved + 1 < best)
				best = saved + 1;
			row[j + 1] = best;
			before = saved;
		}
	}
	return row[n];
}

void
config_nearest_init(struct config_nearest *nearest, const char *word)
{
	size_t len = strnlen(word, CONFIG_NAME_SIZE);

	*nearest = (struct config_nearest){
		.word = len < CONFIG_NAME_SIZE ? word : "",
		/* Of a short word, not all letters may be wrong. */
		.distance = len / 2 < NEAR_MAX ? len / 2 + 1 : NEAR_MAX + 1,
	};
}

void
config_nearest_try(struct config_nearest *nearest, const char *candidate)
{
	size_t d;

	if (strnlen(candidate, CONFIG_NAME_SIZE) == CONFIG_NAME_SIZE)
		return;
	d = distance(nearest->word, candidate);
	if (d < nearest->distance) {
		nearest->distance = d;
		nearest->found = candidate;
	}
}

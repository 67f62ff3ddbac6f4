/* Bodies of messages: little-endian numbers and length-prefixed strings, read with bounds checked. */
#ifndef BERTH_WIRE_H
#define BERTH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reading past the end sets `bad` and gives zeros and empty strings from then on: check once, at the end. */
struct reader {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

struct bytes {
	const uint8_t *data;
	uint32_t length;
};

/* A list of strings, still encoded: walk it with a reader of its own. */
struct strings {
	uint32_t count;
	const uint8_t *at;
	const uint8_t *end;
};

uint8_t read_u8(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
struct bytes read_bytes(struct reader *r);
/* Strings carry their own NUL, and no other. */
const char *read_string(struct reader *r);
struct strings read_strings(struct reader *r);
/* A NULL-terminated vector (malloc) over the strings; NULL when out of memory. */
char **strings_vector(const struct strings *list, uint32_t spare);

/* A growing body; `failed` when memory ran out. */
struct writer {
	uint8_t *data;
	size_t used;
	size_t capacity;
	bool failed;
};

void write_raw(struct writer *w, const void *data, size_t length);
void write_u8(struct writer *w, uint8_t value);
void write_u32(struct writer *w, uint32_t value);
void write_u64(struct writer *w, uint64_t value);
void write_string(struct writer *w, const char *text);
void writer_free(struct writer *w);

#endif

#include "wire.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t *take(struct reader *r, size_t length)
{
	if (r->bad || (size_t)(r->end - r->at) < length) {
		r->bad = true;
		return NULL;
	}
	const uint8_t *at = r->at;
	r->at += length;
	return at;
}

uint8_t read_u8(struct reader *r)
{
	const uint8_t *p = take(r, 1);
	return p == NULL ? 0 : *p;
}

uint32_t read_u32(struct reader *r)
{
	uint32_t value = 0;
	const uint8_t *p = take(r, 4);
	if (p != NULL)
		memcpy(&value, p, 4);
	return le32toh(value);
}

uint64_t read_u64(struct reader *r)
{
	uint64_t value = 0;
	const uint8_t *p = take(r, 8);
	if (p != NULL)
		memcpy(&value, p, 8);
	return le64toh(value);
}

struct bytes read_bytes(struct reader *r)
{
	uint32_t length = read_u32(r);
	const uint8_t *p = take(r, length);
	return p == NULL ? (struct bytes){0} : (struct bytes){p, length};
}

const char *read_string(struct reader *r)
{
	uint32_t length = read_u32(r);
	const uint8_t *p = length == UINT32_MAX ? NULL : take(r, (size_t)length + 1);
	if (p == NULL || p[length] != 0 || memchr(p, 0, length) != NULL) {
		r->bad = true;
		return "";
	}
	return (const char *)p;
}

struct strings read_strings(struct reader *r)
{
	struct strings list = {.count = read_u32(r), .at = r->at};
	for (uint32_t i = 0; i < list.count && !r->bad; i++)
		read_string(r);
	list.end = r->at;
	if (r->bad)
		return (struct strings){0};
	return list;
}

char **strings_vector(const struct strings *list, uint32_t spare)
{
	char **vector = calloc((size_t)list->count + spare + 1, sizeof *vector);
	if (vector == NULL)
		return NULL;
	struct reader r = {list->at, list->end, false};
	for (uint32_t i = 0; i < list->count; i++)
		vector[i] = (char *)(uintptr_t)read_string(&r);
	return vector;
}

void write_raw(struct writer *w, const void *data, size_t length)
{
	if (w->used + length > w->capacity) {
		size_t capacity = w->capacity < 256 ? 256 : w->capacity;
		while (capacity < w->used + length)
			capacity *= 2;
		uint8_t *grown = w->failed ? NULL : realloc(w->data, capacity);
		if (grown == NULL) {
			w->failed = true;
			return;
		}
		w->data = grown;
		w->capacity = capacity;
	}
	if (length > 0)
		memcpy(w->data + w->used, data, length);
	w->used += length;
}

void write_u8(struct writer *w, uint8_t value)
{
	write_raw(w, &value, 1);
}

void write_u32(struct writer *w, uint32_t value)
{
	value = htole32(value);
	write_raw(w, &value, 4);
}

void write_u64(struct writer *w, uint64_t value)
{
	value = htole64(value);
	write_raw(w, &value, 8);
}

void write_string(struct writer *w, const char *text)
{
	uint32_t length = (uint32_t)strlen(text);
	write_u32(w, length);
	write_raw(w, text, (size_t)length + 1);
}

void writer_free(struct writer *w)
{
	free(w->data);
	*w = (struct writer){0};
}

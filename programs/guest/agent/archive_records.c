/* The stream of a worker: records out on descriptor 1, in on descriptor 0. */
#include "archive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_SIZE (128u << 10)
/* No entry with the longest names and all its attributes comes near this. */
#define BODY_MAX (2u << 20)

static uint8_t out[BUFFER_SIZE];
static size_t out_used;
static uint8_t in[BUFFER_SIZE];
static size_t in_at, in_used;

void records_flush(void)
{
	for (size_t at = 0; at < out_used;) {
		ssize_t put = write(1, out + at, out_used - at);
		if (put < 0 && errno == EINTR)
			continue;
		/* Nobody listens any more. */
		if (put <= 0)
			_exit(1);
		at += (size_t)put;
	}
	out_used = 0;
}

static void put_raw(const void *data, size_t length)
{
	const uint8_t *at = data;
	while (length > 0) {
		if (out_used == sizeof out)
			records_flush();
		size_t size = sizeof out - out_used < length ? sizeof out - out_used : length;
		memcpy(out + out_used, at, size);
		out_used += size;
		at += size;
		length -= size;
	}
}

static void put_head(uint8_t tag, uint32_t length)
{
	uint8_t head[5] = {tag, (uint8_t)length, (uint8_t)(length >> 8), (uint8_t)(length >> 16), (uint8_t)(length >> 24)};
	put_raw(head, sizeof head);
}

void records_put(uint8_t tag, struct writer *body)
{
	if (body->failed)
		_exit(2);
	put_head(tag, (uint32_t)body->used);
	put_raw(body->data, body->used);
	writer_free(body);
}

void records_put_hole(uint64_t length)
{
	struct writer w = {0};
	write_u8(&w, TAG_HOLE);
	write_u64(&w, length);
	put_raw(w.data, w.used);
	writer_free(&w);
}

uint8_t *records_data_room(size_t *length)
{
	if (sizeof out - out_used < 4096 + 5)
		records_flush();
	size_t room = sizeof out - out_used - 5;
	if (*length > room)
		*length = room;
	return out + out_used + 5;
}

void records_put_data(size_t length)
{
	if (length == 0)
		return;
	put_head(TAG_DATA, (uint32_t)length);
	out_used += length;
	if (sizeof out - out_used < 4096 + 5)
		records_flush();
}

/* At least one byte in the buffer; false at the end. */
static bool fill(void)
{
	if (in_at < in_used)
		return true;
	ssize_t got;
	do
		got = read(0, in, sizeof in);
	while (got < 0 && errno == EINTR);
	in_at = 0;
	in_used = got > 0 ? (size_t)got : 0;
	return in_used > 0;
}

size_t records_view(const uint8_t **data, size_t most)
{
	if (!fill())
		return 0;
	size_t size = in_used - in_at < most ? in_used - in_at : most;
	*data = in + in_at;
	in_at += size;
	return size;
}

static bool take(uint8_t *to, size_t length)
{
	while (length > 0) {
		const uint8_t *data;
		size_t size = records_view(&data, length);
		if (size == 0)
			return false;
		memcpy(to, data, size);
		to += size;
		length -= size;
	}
	return true;
}

uint8_t records_next(void)
{
	uint8_t tag;
	return take(&tag, 1) ? tag : 0;
}

uint32_t records_data(void)
{
	uint8_t bytes[4];
	if (!take(bytes, sizeof bytes))
		return 0;
	struct reader r = {bytes, bytes + sizeof bytes, false};
	return read_u32(&r);
}

uint64_t records_hole(void)
{
	uint8_t bytes[8];
	if (!take(bytes, sizeof bytes))
		return 0;
	struct reader r = {bytes, bytes + sizeof bytes, false};
	return read_u64(&r);
}

int records_entry(struct archive_entry *entry)
{
	*entry = (struct archive_entry){0};
	uint32_t length = records_data();
	if (length > BODY_MAX || (entry->body = malloc(length + 1)) == NULL)
		return -1;
	if (!take(entry->body, length))
		return -1;
	struct reader r = {entry->body, entry->body + length, false};
	entry->kind = read_u8(&r);
	entry->mode = read_u32(&r);
	entry->uid = read_u32(&r);
	entry->gid = read_u32(&r);
	entry->size = read_u64(&r);
	entry->mtime.tv_sec = (time_t)read_u64(&r);
	entry->mtime.tv_nsec = (long)read_u32(&r);
	entry->major = read_u32(&r);
	entry->minor = read_u32(&r);
	entry->path = read_string(&r);
	entry->link = read_string(&r);
	entry->xattr_count = read_u32(&r);
	entry->xattrs = r;
	for (uint32_t i = 0; i < entry->xattr_count && !r.bad; i++) {
		read_string(&r);
		read_bytes(&r);
	}
	return r.bad ? -1 : 0;
}

/*
 * The stream of a worker: records, out on descriptor 1 and in on descriptor 0, in chunks. A chunk is a length and so many
 * bytes; or only a length, and the bytes are in the next slot of the spool, a disk that host and guest both see. Bulk goes
 * that way past the line, and past the processor, which may be an emulated one. A slot that has been read is given back by
 * a byte on the other stream.
 */
#include "archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whole blocks of any disk; the spool has as many slots of this size. Known to the host, too (spool.ts). */
#define SLOT_SIZE (960u << 10)
#define SLOTS 4u
#define BLOCK 4096u
/* Less is sent along the line. */
#define SPOOL_LEAST (64u << 10)
#define IN_SPOOL 0x80000000u
/* No entry with the longest names and all its attributes comes near this. */
#define BODY_MAX (2u << 20)

static _Alignas(BLOCK) uint8_t out[SLOT_SIZE];
static size_t out_used;
static uint32_t out_slot, slots_taken;
static _Alignas(BLOCK) uint8_t in[SLOT_SIZE];
static size_t in_at, in_used, in_left;
static uint32_t in_slot;
static int spool = -1;

void records_use_spool(int fd)
{
	spool = fd;
}

static void put_out(const void *data, size_t length)
{
	for (const uint8_t *at = data; length > 0;) {
		ssize_t put = write(1, at, length);
		if (put < 0 && errno == EINTR)
			continue;
		/* Nobody listens any more. */
		if (put <= 0)
			_exit(1);
		at += put;
		length -= (size_t)put;
	}
}

static void put_length(uint32_t length)
{
	uint8_t bytes[4] = {(uint8_t)length, (uint8_t)(length >> 8), (uint8_t)(length >> 16), (uint8_t)(length >> 24)};
	put_out(bytes, sizeof bytes);
}

static size_t blocks(size_t length)
{
	return (length + BLOCK - 1) / BLOCK * BLOCK;
}

static void put_in_spool(void)
{
	uint8_t given_back[SLOTS];
	while (slots_taken == SLOTS) {
		ssize_t got = read(0, given_back, sizeof given_back);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			_exit(1);
		slots_taken -= (uint32_t)got;
	}
	if (pwrite(spool, out, blocks(out_used), (off_t)out_slot * SLOT_SIZE) < (ssize_t)out_used)
		_exit(2);
	out_slot = (out_slot + 1) % SLOTS;
	slots_taken++;
	put_length((uint32_t)out_used | IN_SPOOL);
}

void records_flush(void)
{
	if (out_used == 0)
		return;
	if (spool >= 0 && out_used >= SPOOL_LEAST) {
		put_in_spool();
	} else {
		put_length((uint32_t)out_used);
		put_out(out, out_used);
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

uint8_t *records_bulk_room(size_t *length)
{
	if (spool < 0)
		return NULL;
	if (*length > SLOT_SIZE)
		*length = SLOT_SIZE;
	records_flush();
	return out;
}

void records_put_bulk(size_t length)
{
	/* The record's head goes ahead, so that the content begins where a block does. */
	uint8_t head[9] = {5, 0, 0, 0, TAG_DATA, (uint8_t)length, (uint8_t)(length >> 8), (uint8_t)(length >> 16), (uint8_t)(length >> 24)};
	put_out(head, sizeof head);
	out_used = length;
	records_flush();
}

static size_t get_in(void *data, size_t length)
{
	ssize_t got;
	do
		got = read(0, data, length);
	while (got < 0 && errno == EINTR);
	return got > 0 ? (size_t)got : 0;
}

/* At least one byte in the buffer; false at the end. */
static bool fill(void)
{
	if (in_at < in_used)
		return true;
	in_at = in_used = 0;
	while (in_left == 0) {
		uint8_t bytes[4];
		for (size_t used = 0, got; used < sizeof bytes; used += got)
			if ((got = get_in(bytes + used, sizeof bytes - used)) == 0)
				return false;
		struct reader r = {bytes, bytes + sizeof bytes, false};
		uint32_t length = read_u32(&r);
		if (!(length & IN_SPOOL)) {
			in_left = length;
			continue;
		}
		length &= ~IN_SPOOL;
		if (spool < 0 || length > SLOT_SIZE || pread(spool, in, blocks(length), (off_t)in_slot * SLOT_SIZE) < (ssize_t)length)
			return false;
		in_slot = (in_slot + 1) % SLOTS;
		put_out("", 1);
		in_used = length;
		return length > 0;
	}
	in_used = get_in(in, in_left < sizeof in ? in_left : sizeof in);
	in_left -= in_used;
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

/*
 * The main process's output as one numbered sequence of bytes. Chunks live from arrival until the host has
 * acknowledged them; an idle container's journal has none and costs nothing.
 */
#include "agent.h"

#include <stdlib.h>
#include <string.h>

/* Unacknowledged bytes kept before the process is held back. */
#define JOURNAL_MAX (1u << 20)
/* Bytes sent ahead of the host's acknowledgement. */
#define JOURNAL_WINDOW (256u << 10)
#define CHUNK_MIN 480u
#define PIECE_MAX 30000u

struct chunk {
	struct chunk *next;
	uint64_t offset;
	uint32_t used;
	uint32_t capacity;
	uint8_t stream;
	uint8_t data[];
};

static struct chunk *head;
static struct chunk *tail;
static size_t held; /* memory of all chunks */
static uint64_t written;
static uint64_t acknowledged;
static uint64_t sent;
static struct chunk *cursor; /* holds the byte `sent`, or NULL: look it up */
static bool following;

static bool ended;
static bool end_sent;
static struct {
	uint32_t exit_code;
	bool oom_killed;
	uint64_t finished_at_ms;
} end;

bool journal_full(void)
{
	return held >= JOURNAL_MAX;
}

void journal_append(uint8_t stream, const uint8_t *data, size_t length)
{
	while (length > 0) {
		if (tail == NULL || tail->stream != stream || tail->used == tail->capacity) {
			uint32_t capacity = length > CHUNK_MIN ? (uint32_t)(length > 32768 ? 32768 : length) : CHUNK_MIN;
			struct chunk *chunk = malloc(sizeof *chunk + capacity);
			if (chunk == NULL)
				return;
			*chunk = (struct chunk){.offset = written, .capacity = capacity, .stream = stream};
			if (tail == NULL)
				head = chunk;
			else
				tail->next = chunk;
			tail = chunk;
			held += sizeof *chunk + capacity;
		}
		uint32_t room = tail->capacity - tail->used;
		uint32_t take = length < room ? (uint32_t)length : room;
		memcpy(tail->data + tail->used, data, take);
		tail->used += take;
		written += take;
		data += take;
		length -= take;
	}
	journal_pump();
}

void journal_ack(uint64_t position)
{
	if (position > written)
		position = written;
	if (position > acknowledged)
		acknowledged = position;
	/* The last chunk is kept while it may still grow, unless all of it is acknowledged. */
	while (head != NULL && head->offset + head->used <= acknowledged) {
		struct chunk *done = head;
		head = done->next;
		if (head == NULL)
			tail = NULL;
		if (cursor == done)
			cursor = NULL;
		held -= sizeof *done + done->capacity;
		free(done);
	}
	if (sent < acknowledged) {
		sent = acknowledged;
		cursor = NULL;
	}
	journal_pump();
}

void journal_follow(uint64_t position)
{
	following = true;
	end_sent = false;
	if (position > written)
		position = written;
	sent = position;
	cursor = NULL;
	journal_ack(position);
	if (head != NULL && sent < head->offset)
		sent = head->offset;
	journal_pump();
}

void journal_unfollow(void)
{
	following = false;
}

void journal_pump(void)
{
	if (!following)
		return;
	while (sent < written && sent - acknowledged < JOURNAL_WINDOW && port_has_room()) {
		if (cursor == NULL)
			cursor = head;
		while (cursor != NULL && cursor->offset + cursor->used <= sent)
			cursor = cursor->next;
		if (cursor == NULL)
			return;
		uint32_t from = (uint32_t)(sent - cursor->offset);
		uint32_t size = cursor->used - from;
		if (size > PIECE_MAX)
			size = PIECE_MAX;
		struct writer w = {0};
		write_u64(&w, sent);
		write_u8(&w, cursor->stream);
		write_raw(&w, cursor->data + from, size);
		if (w.failed) {
			writer_free(&w);
			return;
		}
		sent += size;
		port_send_writer(MSG_JOURNAL, 0, &w);
	}
	if (ended && !end_sent && sent == written) {
		end_sent = true;
		struct writer w = {0};
		write_u64(&w, written);
		write_u32(&w, end.exit_code);
		write_u8(&w, end.oom_killed);
		write_u64(&w, end.finished_at_ms);
		port_send_writer(MSG_EXIT, 0, &w);
	}
}

void journal_end(uint32_t exit_code, bool oom_killed, uint64_t finished_at_ms)
{
	ended = true;
	end.exit_code = exit_code;
	end.oom_killed = oom_killed;
	end.finished_at_ms = finished_at_ms;
	journal_pump();
}

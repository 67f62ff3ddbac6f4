/* Frame codec: hunts for the magic, checks length and checksum, survives anything the line may carry. */
#include "frame.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* What a parser keeps while it is empty: a frame and what is read with its end. */
#define KEPT_MAX (2 * (FRAME_HEADER + FRAME_PAYLOAD_MAX))

static uint32_t crc_table[4][256];

__attribute__((constructor)) static void crc_build(void)
{
	for (uint32_t n = 0; n < 256; n++) {
		uint32_t c = n;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
		crc_table[0][n] = c;
	}
	for (uint32_t n = 0; n < 256; n++)
		for (int t = 1; t < 4; t++)
			crc_table[t][n] = crc_table[0][crc_table[t - 1][n] & 0xff] ^ (crc_table[t - 1][n] >> 8);
}

uint32_t crc32_update(uint32_t crc, const void *data, size_t length)
{
	const uint8_t *p = data;
	crc = ~crc;
	/* Four bytes a step: emulated processors spend their time on instructions, not on memory. */
	while (length >= 4) {
		uint32_t word;
		memcpy(&word, p, 4);
		crc ^= le32toh(word);
		crc = crc_table[3][crc & 0xff] ^ crc_table[2][(crc >> 8) & 0xff] ^ crc_table[1][(crc >> 16) & 0xff] ^
		      crc_table[0][crc >> 24];
		p += 4;
		length -= 4;
	}
	while (length-- > 0)
		crc = crc_table[0][(crc ^ *p++) & 0xff] ^ (crc >> 8);
	return ~crc;
}

static void put32(uint8_t *out, uint32_t value)
{
	value = htole32(value);
	memcpy(out, &value, 4);
}

static uint32_t get32(const uint8_t *in)
{
	uint32_t value;
	memcpy(&value, in, 4);
	return le32toh(value);
}

void frame_header(uint8_t *out, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, uint32_t length)
{
	put32(out, FRAME_MAGIC);
	out[4] = type;
	out[5] = flags;
	out[6] = 0;
	out[7] = 0;
	put32(out + 8, stream);
	put32(out + 12, length);
	uint32_t crc = crc32_update(0, out, 16);
	if (length > 0)
		crc = crc32_update(crc, payload, length);
	put32(out + 16, crc);
}

/* Looks at the start of `data`. Returns bytes used by a whole frame, 0 when more are needed, or -1: no frame here. */
static long frame_at(const uint8_t *data, size_t length, struct frame *frame)
{
	static const uint8_t magic[4] = {'B', 'R', 'T', 'H'};
	if (memcmp(data, magic, length < 4 ? length : 4) != 0)
		return -1;
	if (length < FRAME_HEADER)
		return 0;
	uint32_t size = get32(data + 12);
	if (size > FRAME_PAYLOAD_MAX || data[6] != 0 || data[7] != 0)
		return -1;
	if (length < FRAME_HEADER + size)
		return 0;
	uint32_t crc = crc32_update(0, data, 16);
	crc = crc32_update(crc, data + FRAME_HEADER, size);
	if (crc != get32(data + 16))
		return -1;
	frame->type = data[4];
	frame->flags = data[5];
	frame->stream = get32(data + 8);
	frame->length = size;
	frame->payload = data + FRAME_HEADER;
	return (long)(FRAME_HEADER + size);
}

/* Handles all whole frames of `data`; returns how many bytes are done with. */
static size_t consume(struct frame_parser *parser, const uint8_t *data, size_t length, frame_handler handler, void *context)
{
	size_t at = 0;
	while (at < length) {
		struct frame frame;
		long used = frame_at(data + at, length - at, &frame);
		if (used == 0)
			break;
		if (used > 0) {
			handler(context, &frame);
			at += (size_t)used;
			continue;
		}
		parser->lost = true;
		const uint8_t *next = at + 1 < length ? memchr(data + at + 1, 'B', length - at - 1) : NULL;
		at = next == NULL ? length : (size_t)(next - data);
	}
	return at;
}

int frame_parse(struct frame_parser *parser, const uint8_t *data, size_t length, frame_handler handler, void *context)
{
	if (parser->used == 0) {
		/* The usual case: whole frames, straight from the reader's buffer. */
		size_t done = consume(parser, data, length, handler, context);
		data += done;
		length -= done;
		if (length == 0)
			return 0;
	}
	if (parser->used + length > parser->capacity) {
		/* Room for the rest of any frame at once: growing by what arrives would cost a mapping each time. */
		size_t capacity = parser->used + length;
		if (capacity < KEPT_MAX)
			capacity = KEPT_MAX;
		uint8_t *grown = realloc(parser->buffer, capacity);
		if (grown == NULL)
			return -1;
		parser->buffer = grown;
		parser->capacity = capacity;
	}
	memcpy(parser->buffer + parser->used, data, length);
	parser->used += length;
	size_t done = consume(parser, parser->buffer, parser->used, handler, context);
	parser->used -= done;
	if (parser->used > 0) {
		memmove(parser->buffer, parser->buffer + done, parser->used);
	} else if (parser->capacity > KEPT_MAX) {
		bool lost = parser->lost;
		frame_parser_reset(parser);
		parser->lost = lost;
	}
	return 0;
}

void frame_parser_reset(struct frame_parser *parser)
{
	free(parser->buffer);
	*parser = (struct frame_parser){0};
}

/* Frames on the line between host and agent: see docs/design/guest-protocol.md. */
#ifndef BERTH_FRAME_H
#define BERTH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAGIC 0x48545242u /* "BRTH", little-endian */
#define FRAME_HEADER 20u
#define FRAME_PAYLOAD_MAX 32768u
/* A message may span frames (flag MORE); nothing legitimate is larger. */
#define MESSAGE_MAX (4u << 20)

#define FRAME_MORE 1u

struct frame {
	uint8_t type;
	uint8_t flags;
	uint32_t stream;
	uint32_t length;
	const uint8_t *payload;
};

/* The parser keeps what has not made a whole frame yet; its buffer exists from the first such frame on. */
struct frame_parser {
	uint8_t *buffer;
	size_t used;
	size_t capacity;
	/* A frame with a wrong checksum was seen: the line lost bytes, and only a HELLO may follow. */
	bool lost;
};

typedef void (*frame_handler)(void *context, const struct frame *frame);

uint32_t crc32_update(uint32_t crc, const void *data, size_t length);
/* Writes the 20 bytes of a header, checksum included. */
void frame_header(uint8_t *out, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, uint32_t length);
/* Takes bytes off the line and calls the handler for each whole frame. Returns -1 when out of memory. */
int frame_parse(struct frame_parser *parser, const uint8_t *data, size_t length, frame_handler handler, void *context);
void frame_parser_reset(struct frame_parser *parser);

#endif

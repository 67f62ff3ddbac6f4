/*
 * Throws damaged input at everything in the agent that reads what came over the line: the frame parser, and the readers
 * of bodies. Runs a given number of rounds from a given seed; a sanitizer or an assertion ends it early.
 *   parse ROUNDS SEED
 */
#include "../agent/container.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

static uint32_t chance(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below == 0 ? 0 : (uint32_t)((state >> 16) % below);
}

static struct {
	uint32_t frames;
	bool saw_last;
} seen;

static const char last_words[] = "the frame after the storm";

static void on_frame(void *context, const struct frame *frame)
{
	(void)context;
	seen.frames++;
	assert(frame->length <= FRAME_PAYLOAD_MAX);
	/* Touch all of it, so that a wrong length is a read out of bounds. */
	volatile uint8_t sum = 0;
	for (uint32_t i = 0; i < frame->length; i++)
		sum = (uint8_t)(sum + frame->payload[i]);
	if (frame->type == 200 && frame->length == sizeof last_words && memcmp(frame->payload, last_words, sizeof last_words) == 0)
		seen.saw_last = true;
}

static size_t put_frame(uint8_t *out, uint8_t type, const void *payload, uint32_t length)
{
	frame_header(out, type, (uint8_t)chance(2), chance(100), payload, length);
	memcpy(out + FRAME_HEADER, payload, length);
	return FRAME_HEADER + length;
}

static void damage(uint8_t *data, size_t length, uint32_t times)
{
	for (uint32_t i = 0; i < times && length > 0; i++) {
		size_t at = chance((uint32_t)length);
		switch (chance(4)) {
		case 0: data[at] ^= (uint8_t)(1u << chance(8)); break;
		case 1: data[at] = (uint8_t)chance(256); break;
		case 2: memcpy(data + at, "BRTH", length - at < 4 ? length - at : 4); break;
		default: memset(data + at, 0xff, length - at < 4 ? length - at : 4); break;
		}
	}
}

static void round_of_frames(void)
{
	static uint8_t line[8 * (FRAME_PAYLOAD_MAX + FRAME_HEADER)];
	static uint8_t payload[FRAME_PAYLOAD_MAX];
	static const uint8_t zeros[2 * FRAME_PAYLOAD_MAX];
	struct frame_parser parser = {0};
	size_t used = 0;
	for (uint32_t i = chance(5); i > 0; i--) {
		uint32_t length = chance(10) == 0 ? chance(FRAME_PAYLOAD_MAX + 1) : chance(200);
		for (uint32_t j = 0; j < length; j += 1 + chance(7))
			payload[j] = (uint8_t)chance(256);
		used += put_frame(line + used, (uint8_t)(1 + chance(150)), payload, length);
	}
	damage(line, used, chance(6));
	used -= chance((uint32_t)used / 2 + 1);
	seen.frames = 0;
	seen.saw_last = false;
	for (size_t at = 0; at < used;) {
		size_t size = 1 + chance(chance(2) ? 64 : 40000);
		if (size > used - at)
			size = used - at;
		/* A copy of the exact size: reading past it is noticed. */
		uint8_t *piece = malloc(size);
		memcpy(piece, line + at, size);
		assert(frame_parse(&parser, piece, size, on_frame, NULL) == 0);
		free(piece);
		at += size;
	}
	assert(frame_parse(&parser, zeros, sizeof zeros, on_frame, NULL) == 0);
	assert(parser.used < FRAME_PAYLOAD_MAX + FRAME_HEADER);
	used = put_frame(line, 200, last_words, sizeof last_words);
	assert(frame_parse(&parser, line, used, on_frame, NULL) == 0);
	assert(seen.saw_last);
	frame_parser_reset(&parser);
}

static void put_text(struct writer *w)
{
	char text[40];
	uint32_t length = chance(sizeof text);
	for (uint32_t i = 0; i < length; i++)
		text[i] = (char)('!' + chance(90));
	text[length] = 0;
	if (length == sizeof text)
		text[length - 1] = 0;
	write_string(w, text);
}

static void put_texts(struct writer *w)
{
	uint32_t count = chance(5);
	write_u32(w, count);
	while (count-- > 0)
		put_text(w);
}

static void put_mount(struct writer *w)
{
	write_u8(w, (uint8_t)chance(5));
	put_text(w);
	put_texts(w);
	put_text(w);
	write_u32(w, chance(8));
	write_u8(w, (uint8_t)chance(4));
}

/* A start request that is mostly right. */
static void put_start(struct writer *w)
{
	for (int i = 0; i < 5; i++)
		put_text(w);
	write_u8(w, (uint8_t)chance(2));
	write_u8(w, (uint8_t)chance(2));
	write_u64(w, chance(1u << 30));
	uint32_t count = chance(3);
	write_u32(w, count);
	while (count-- > 0)
		put_mount(w);
	count = chance(3);
	write_u32(w, count);
	while (count-- > 0) {
		put_text(w);
		put_text(w);
	}
	for (int i = 0; i < 4; i++)
		write_u64(w, chance(1000));
	write_u32(w, 0);
	put_texts(w);
	put_texts(w);
	put_text(w);
	put_text(w);
	put_texts(w);
	write_u8(w, 0);
	write_u32(w, chance(300));
	write_u32(w, chance(300));
	write_u8(w, 0);
	write_u32(w, 0);
	write_u64(w, chance(1000));
	write_u8(w, 0);
}

static void walk(const struct strings *list)
{
	char **vector = strings_vector(list, 2);
	size_t total = 0;
	for (uint32_t i = 0; vector != NULL && i < list->count; i++)
		total += strlen(vector[i]);
	volatile size_t kept = total;
	(void)kept;
	free(vector);
}

static void round_of_bodies(void)
{
	struct writer w = {0};
	struct start_spec spec;
	put_start(&w);
	uint32_t times = chance(4);
	damage(w.data, w.used, times);
	size_t length = chance(3) == 0 ? chance((uint32_t)w.used + 1) : w.used;
	uint8_t *exact = malloc(length);
	if (length > 0)
		memcpy(exact, w.data, length);
	if (read_start_spec(&(struct reader){exact, exact + length, false}, &spec) == 0) {
		seen.frames++;
		walk(&spec.process.args);
		walk(&spec.process.env);
		walk(&spec.process.groups);
		volatile size_t sizes = strlen(spec.hostname) + strlen(spec.hosts) + strlen(spec.process.cwd) + strlen(spec.process.user);
		(void)sizes;
		struct reader r = spec.mounts;
		for (uint32_t i = 0; i < spec.mount_count; i++) {
			struct mount_request mount;
			read_mount(&r, &mount);
			walk(&mount.options);
			sizes = strlen(mount.target) + strlen(mount.source);
		}
		assert(!r.bad);
	}
	free(exact);
	writer_free(&w);
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? atol(argv[1]) : 1000;
	state = argc > 2 ? strtoull(argv[2], NULL, 10) | 1 : 88172645463325252ull;
	for (long i = 0; i < rounds; i++) {
		round_of_frames();
		for (int j = 0; j < 20; j++)
			round_of_bodies();
	}
	printf("%ld rounds\n", rounds);
	return 0;
}

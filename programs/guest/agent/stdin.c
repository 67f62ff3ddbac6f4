/* Standard input of processes: what the host has sent and the process has not read, and the host's credit for more. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Standard input the host may send ahead; per process. */
#define STDIN_WINDOW (64u << 10)
/* To one that takes files: what is on the way hides the time an answer takes. */
#define WORKER_WINDOW (512u << 10)

static void input_credit(struct process *p, uint32_t bytes)
{
	struct writer w = {0};
	write_u32(&w, bytes);
	port_send_writer(MSG_STDIN_CREDIT, p->id, &w);
}

void process_input_widen(struct process *p)
{
	fcntl(p->input.fd, F_SETPIPE_SZ, WORKER_WINDOW / 2);
	input_credit(p, WORKER_WINDOW - STDIN_WINDOW);
}

void process_input_flush(struct process *p)
{
	uint32_t taken = 0;
	while (p->pending_at < p->pending_used) {
		ssize_t put = p->input.fd < 0 ? (ssize_t)(p->pending_used - p->pending_at)
		                              : write(p->input.fd, p->pending + p->pending_at, p->pending_used - p->pending_at);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && errno == EAGAIN)
			break;
		if (put < 0) {
			/* Nobody reads any more: the rest is taken and forgotten, as by a shell's pipe. */
			source_close(&p->input);
			continue;
		}
		p->pending_at += (uint32_t)put;
		taken += (uint32_t)put;
	}
	if (p->pending_at == p->pending_used) {
		free(p->pending);
		p->pending = NULL;
		p->pending_at = p->pending_used = p->pending_size = 0;
		/* A terminal's input has no end but the terminal's own. */
		if (p->input_ending && !p->terminal)
			source_close(&p->input);
	}
	loop_watch(&p->input, p->pending_used > 0 ? EPOLLOUT : 0);
	/* What an earlier connection sent was not promised by this one's window. */
	uint32_t stale = taken < p->pending_stale ? taken : p->pending_stale;
	p->pending_stale -= stale;
	if (taken > stale && !p->orphan)
		input_credit(p, taken - stale);
}

void process_input_ready(struct source *source, uint32_t events)
{
	(void)events;
	process_input_flush(source->owner);
}

void process_stdin(uint32_t id, const uint8_t *data, size_t length)
{
	struct process *p = process_find(id);
	if (p == NULL || p->input_ending || p->pending_used - p->pending_at + length > (p->worker ? 2 * WORKER_WINDOW : 2 * STDIN_WINDOW))
		return;
	/* The usual case: the pipe takes it as it comes. */
	ssize_t put = p->pending_used == 0 && p->input.fd >= 0 ? write(p->input.fd, data, length) : 0;
	if (put > 0) {
		input_credit(p, (uint32_t)put);
		data += put;
		length -= (size_t)put;
		if (length == 0)
			return;
	}
	if (p->pending_used + length > p->pending_size) {
		uint32_t size = p->pending_used + (uint32_t)length;
		uint8_t *grown = realloc(p->pending, size);
		if (grown == NULL)
			return;
		p->pending = grown;
		p->pending_size = size;
	}
	memcpy(p->pending + p->pending_used, data, length);
	p->pending_used += (uint32_t)length;
	process_input_flush(p);
}

void process_stdin_close(uint32_t id)
{
	struct process *p = process_find(id);
	if (p == NULL)
		return;
	p->input_ending = true;
	process_input_flush(p);
}

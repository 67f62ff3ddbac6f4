/* The line to the host: a virtio-serial port, or a unix socket. Never blocks; what cannot be written waits here. */
#include "relay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Above this much waiting, bulk output stays where it is. */
#define BACKLOG_BULK (64u << 10)
/* After a resuming HELLO: enough zeros to end any frame the host's parser may think it is in. */
#define FLUSH_ZEROS (FRAME_PAYLOAD_MAX + 4096u)
/* One buffer of the port's queue; the driver takes no more at a time. */
#define WRITE_MAX 32768u

static void port_ready(struct source *source, uint32_t events);
static void listener_ready(struct source *source, uint32_t events);

static struct source port = {.fd = -1, .ready = port_ready};
static struct source listener = {.fd = -1, .ready = listener_ready};
static struct frame_parser parser;
static struct writer queue;
static size_t queue_sent;
static bool greeted;
static bool is_socket;
/* A HELLO came before the driver had heard that the host is there: the hang-up it still reports is an old one. */
static bool ahead;

/* A message arriving in several frames. */
static struct writer partial;
static uint8_t partial_type;
static uint32_t partial_stream;

static void queue_drop(void)
{
	writer_free(&queue);
	queue_sent = 0;
}

static void port_flush_now(void)
{
	while (queue_sent < queue.used) {
		size_t size = queue.used - queue_sent;
		ssize_t put = write(port.fd, queue.data + queue_sent, size > WRITE_MAX ? WRITE_MAX : size);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			break;
		queue_sent += (size_t)put;
	}
	if (queue_sent == queue.used && queue.data != NULL) {
		/* A small buffer is kept: an allocation per frame costs more than a page. */
		if (queue.capacity > 4096)
			writer_free(&queue);
		queue.used = 0;
		queue_sent = 0;
	}
	/* The virtio port is edge-triggered, since a hang-up of its host side lasts; the socket is not. */
	if (is_socket)
		loop_watch(&port, EPOLLIN | (queue.used > queue_sent ? EPOLLOUT : 0));
}

bool port_has_room(void)
{
	return greeted && port.fd >= 0 && queue.used - queue_sent < BACKLOG_BULK;
}

void port_send(uint8_t type, uint32_t stream, const void *body, size_t length)
{
	if (!greeted || port.fd < 0 || agent.rehearsing)
		return;
	if (queue_sent > 0 && queue_sent == queue.used)
		queue.used = queue_sent = 0;
	const uint8_t *at = body;
	do {
		uint32_t size = length > FRAME_PAYLOAD_MAX ? FRAME_PAYLOAD_MAX : (uint32_t)length;
		uint8_t header[FRAME_HEADER];
		length -= size;
		frame_header(header, type, length > 0 ? FRAME_MORE : 0, stream, at, size);
		write_raw(&queue, header, sizeof header);
		write_raw(&queue, at, size);
		at += size;
	} while (length > 0);
	port_flush_now();
}

void port_send_writer(uint8_t type, uint32_t stream, struct writer *w)
{
	if (w->failed) {
		struct fault fault;
		fault_set(&fault, "internal", "the guest is out of memory");
		port_fault(stream, &fault);
	} else {
		port_send(type, stream, w->data, w->used);
	}
	writer_free(w);
}

void port_reply(uint32_t request)
{
	port_send(MSG_REPLY, request, NULL, 0);
}

void port_fault(uint32_t request, const struct fault *fault)
{
	struct writer w = {0};
	write_string(&w, fault->code);
	write_string(&w, fault->message);
	port_send(MSG_FAULT, request, w.data, w.used);
	writer_free(&w);
}

static void port_hello(const uint8_t *body, size_t length)
{
	static const char *const phases[] = {"fresh", "layers-mounted", "sealed", "prepared", "running", "exited"};
	struct reader r = {body, body + length, false};
	uint64_t nonce = read_u64(&r);
	uint8_t resume = read_u8(&r);
	if (r.bad)
		return;
	boot_trace("hello");
	/* Whatever waited was for the last connection. */
	queue_drop();
	writer_free(&partial);
	journal_unfollow();
	process_forget_connection();
	relay_forget_connection();
	greeted = true;
	if (resume) {
		void *zeros = calloc(1, FLUSH_ZEROS);
		if (zeros != NULL)
			write_raw(&queue, zeros, FLUSH_ZEROS);
		free(zeros);
	}
	char kernel[128] = "";
	file_read("/proc/sys/kernel/osrelease", kernel, sizeof kernel);
	kernel[strcspn(kernel, "\n")] = 0;
	struct writer w = {0};
	write_u64(&w, nonce);
	write_u32(&w, AGENT_PROTOCOL);
	write_string(&w, AGENT_VERSION);
	write_string(&w, kernel);
	write_string(&w, phases[agent.phase]);
	write_u64(&w, agent.started_at_ms);
	port_send_writer(MSG_WELCOME, 0, &w);
	relay_pump();
}

static void port_frame(void *context, const struct frame *frame)
{
	(void)context;
	if (frame->type == MSG_HELLO) {
		parser.lost = false;
		port_hello(frame->payload, frame->length);
		return;
	}
	/* After a gap only a HELLO counts: what follows may be bytes of somebody's standard input. */
	if (!greeted || parser.lost)
		return;
	bool more = frame->flags & FRAME_MORE;
	if (partial.used == 0 && !more) {
		request_handle(&(struct message){frame->type, frame->stream, frame->payload, frame->length});
		return;
	}
	if (partial.used > 0 && (partial_type != frame->type || partial_stream != frame->stream))
		writer_free(&partial);
	partial_type = frame->type;
	partial_stream = frame->stream;
	if (partial.used + frame->length <= MESSAGE_MAX)
		write_raw(&partial, frame->payload, frame->length);
	if (!more) {
		struct writer whole = partial;
		partial = (struct writer){0};
		if (!whole.failed)
			request_handle(&(struct message){frame->type, frame->stream, whole.data, whole.used});
		writer_free(&whole);
	}
}

static void port_hang_up(void)
{
	greeted = false;
	ahead = false;
	queue_drop();
	writer_free(&partial);
	frame_parser_reset(&parser);
	journal_unfollow();
	process_forget_connection();
	relay_forget_connection();
	if (is_socket)
		source_close(&port);
}

static void port_ready(struct source *source, uint32_t events)
{
	static uint8_t buffer[FRAME_PAYLOAD_MAX + FRAME_HEADER];
	(void)source;
	/* A rehearsal turns the loop from inside a request: the line waits until that is done. */
	if (agent.rehearsing)
		return;
	if (events & EPOLLIN) {
		for (;;) {
			ssize_t got = read(port.fd, buffer, sizeof buffer);
			if (got < 0 && errno == EINTR)
				continue;
			if (got <= 0) {
				if (got == 0 && is_socket)
					events |= EPOLLHUP;
				break;
			}
			frame_parse(&parser, buffer, (size_t)got, port_frame, NULL);
			if (port.fd < 0)
				return;
		}
	}
	if (events & (EPOLLHUP | EPOLLERR)) {
		/*
		 * Bytes and the news of a connection take different queues into the guest, and the bytes may be first. So what
		 * comes together with bytes is no end; the next HELLO puts everything straight anyway.
		 */
		if (is_socket || !(events & EPOLLIN || ahead))
			port_hang_up();
		else
			ahead = true;
		return;
	}
	ahead = false;
	port_flush_now();
	if (port_has_room())
		output_pump();
}

void output_pump(void)
{
	journal_pump();
	process_pump();
	relay_pump();
}

void port_flush(int timeout_ms)
{
	uint64_t until = now_ms() + (uint64_t)timeout_ms;
	while (port.fd >= 0 && queue_sent < queue.used && now_ms() < until) {
		struct pollfd p = {.fd = port.fd, .events = POLLOUT};
		poll(&p, 1, 20);
		if (p.revents & POLLHUP)
			return;
		port_flush_now();
	}
}

static void listener_ready(struct source *source, uint32_t events)
{
	(void)events;
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	/* The newest connection is the one that counts: the older one may belong to a daemon that is no more. */
	if (port.fd >= 0)
		port_hang_up();
	port.fd = fd;
	port.events = 0;
	loop_watch(&port, EPOLLIN);
}

int port_open_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof address.sun_path)
		return -1;
	strcpy(address.sun_path, path);
	unlink(path);
	is_socket = true;
	listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener.fd < 0 || bind(listener.fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener.fd, 4) < 0)
		return -1;
	loop_watch(&listener, EPOLLIN);
	return 0;
}

/* The port whose name (set on QEMU's command line) is this; -1 while it has not appeared. */
static int port_find(const char *name)
{
	DIR *directory = opendir("/sys/class/virtio-ports");
	if (directory == NULL)
		return -1;
	int fd = -1;
	for (struct dirent *entry; fd < 0 && (entry = readdir(directory)) != NULL;) {
		char path[320], value[64];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
		if (file_read(path, value, sizeof value) <= 0)
			continue;
		value[strcspn(value, "\n")] = 0;
		if (strcmp(value, name) != 0)
			continue;
		snprintf(path, sizeof path, "/dev/%s", entry->d_name);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	}
	closedir(directory);
	return fd;
}

int port_open_device(const char *name)
{
	/* Announced asynchronously by the host after the driver is bound. */
	for (int tries = 0; tries < 5000; tries++) {
		port.fd = port_find(name);
		if (port.fd >= 0) {
			loop_watch(&port, EPOLLIN | EPOLLOUT | EPOLLET);
			return 0;
		}
		nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	}
	return -1;
}

/*
 * Sockets of the host inside the container: the agent listens, and each connection is carried to the daemon, which makes
 * the other half of it. The container's first process binds the socket, in its own mount namespace; the agent, which made
 * it, accepts. While no daemon is there, whoever connects waits in the kernel's queue.
 */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Of all sockets together; more wait in the queue. */
#define CONNECTIONS_MAX 64
/* What may be on its way in one direction of one connection. */
#define WINDOW (64u << 10)
#define READ_SIZE 30000u
/* Kinds of an end: this direction's, or the connection's. */
enum { END_HALF, END_WHOLE };

struct listener {
	struct source source;
	char *target;
};

struct connection {
	struct connection *next;
	uint32_t id;
	struct source reading;
	/* The same socket by a second number, for the loop knows one purpose each. */
	struct source writing;
	uint32_t credit;
	bool read_ended;
	bool write_ending;
	bool write_ended;
	uint8_t *pending;
	uint32_t pending_at;
	uint32_t pending_used;
};

static struct listener listeners[RELAY_SOCKETS_MAX];
static uint32_t listener_count;
static struct connection *connections;
static uint32_t connection_count;
static uint32_t last_id;

static void listeners_watch(void);

static void say_end(struct connection *c, uint8_t kind)
{
	port_send(MSG_RELAY_END, c->id, &kind, 1);
}

static void connection_free(struct connection *c)
{
	for (struct connection **at = &connections; *at != NULL; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			break;
		}
	source_close(&c->reading);
	source_close(&c->writing);
	free(c->pending);
	free(c);
	connection_count--;
	listeners_watch();
}

static void connection_drop(struct connection *c)
{
	say_end(c, END_WHOLE);
	connection_free(c);
}

/* After its end only the news that the other side is gone altogether matters. */
static void connection_watch(struct connection *c)
{
	loop_watch(&c->reading, c->read_ended ? EPOLLHUP : c->credit > 0 && port_has_room() ? EPOLLIN : 0);
}

static void reading_ready(struct source *source, uint32_t events)
{
	static uint8_t buffer[READ_SIZE];
	struct connection *c = source->owner;
	if (!c->read_ended && (c->credit == 0 || !port_has_room())) {
		connection_watch(c);
		return;
	}
	ssize_t got = 0;
	if (!c->read_ended) {
		do
			got = read(source->fd, buffer, c->credit < READ_SIZE ? c->credit : READ_SIZE);
		while (got < 0 && errno == EINTR);
		if (got < 0 && errno == EAGAIN)
			return;
	}
	if (got > 0) {
		c->credit -= (uint32_t)got;
		port_send(MSG_RELAY_DATA, c->id, buffer, (size_t)got);
		connection_watch(c);
		return;
	}
	/* The other side has closed, or has only said all it will. */
	if (got < 0 || events & (EPOLLHUP | EPOLLERR)) {
		connection_drop(c);
		return;
	}
	c->read_ended = true;
	say_end(c, END_HALF);
	if (c->write_ended)
		connection_free(c);
	else
		connection_watch(c);
}

static void connection_flush(struct connection *c)
{
	uint32_t taken = 0;
	while (c->pending_at < c->pending_used) {
		ssize_t put = send(c->writing.fd, c->pending + c->pending_at, c->pending_used - c->pending_at, MSG_NOSIGNAL);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && errno == EAGAIN)
			break;
		if (put < 0) {
			connection_drop(c);
			return;
		}
		c->pending_at += (uint32_t)put;
		taken += (uint32_t)put;
	}
	if (taken > 0) {
		struct writer w = {0};
		write_u32(&w, taken);
		port_send_writer(MSG_RELAY_CREDIT, c->id, &w);
	}
	if (c->pending_at < c->pending_used) {
		loop_watch(&c->writing, EPOLLOUT);
		return;
	}
	free(c->pending);
	c->pending = NULL;
	c->pending_at = c->pending_used = 0;
	loop_watch(&c->writing, 0);
	if (c->write_ending && !c->write_ended) {
		c->write_ended = true;
		shutdown(c->writing.fd, SHUT_WR);
		if (c->read_ended)
			connection_free(c);
	}
}

static void writing_ready(struct source *source, uint32_t events)
{
	(void)events;
	connection_flush(source->owner);
}

static void listener_ready(struct source *source, uint32_t events)
{
	(void)events;
	struct listener *listener = source->owner;
	if (!port_has_room() || connection_count >= CONNECTIONS_MAX) {
		listeners_watch();
		return;
	}
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	int second = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	struct connection *c = second < 0 ? NULL : calloc(1, sizeof *c);
	if (c == NULL) {
		close(fd);
		if (second >= 0)
			close(second);
		return;
	}
	c->id = ++last_id;
	c->reading = (struct source){fd, 0, reading_ready, c};
	c->writing = (struct source){second, 0, writing_ready, c};
	c->credit = WINDOW;
	c->next = connections;
	connections = c;
	connection_count++;
	struct writer w = {0};
	write_string(&w, listener->target);
	port_send_writer(MSG_RELAY_OPEN, c->id, &w);
	connection_watch(c);
	listeners_watch();
}

/* Nobody is let in whom nobody would serve. */
static void listeners_watch(void)
{
	/* Before the program runs its sockets may not listen yet, and the kernel calls such a one hung up. */
	bool wanted = agent.phase == PHASE_RUNNING && port_has_room() && connection_count < CONNECTIONS_MAX;
	for (uint32_t i = 0; i < listener_count; i++)
		loop_watch(&listeners[i].source, wanted ? EPOLLIN : 0);
}

int relay_open(const struct start_spec *spec, int fds[RELAY_SOCKETS_MAX], uint32_t *count, struct fault *fault)
{
	struct reader r = spec->mounts;
	*count = 0;
	for (uint32_t i = 0; i < spec->mount_count; i++) {
		struct mount_request mount;
		read_mount(&r, &mount);
		if (mount.kind != MOUNT_SOCKET)
			continue;
		int fd = *count < RELAY_SOCKETS_MAX ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
		char *target = fd < 0 ? NULL : strdup(mount.target);
		if (target == NULL) {
			if (fd >= 0)
				close(fd);
			relay_close();
			return fault_set(fault, "mount-failed", "a container may have up to %d sockets of the host", RELAY_SOCKETS_MAX);
		}
		listeners[*count] = (struct listener){{fd, 0, listener_ready, &listeners[*count]}, target};
		fds[*count] = fd;
		listener_count = ++*count;
	}
	return 0;
}

void relay_close(void)
{
	for (uint32_t i = 0; i < listener_count; i++) {
		source_close(&listeners[i].source);
		free(listeners[i].target);
	}
	listener_count = 0;
}

int relay_bind(int fd, const char *path, const char *attributes)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	unsigned mode = 0600, owner = 0, group = 0;
	if (strlen(path) >= sizeof address.sun_path || sscanf(attributes, "%o:%u:%u", &mode, &owner, &group) != 3) {
		errno = EINVAL;
		return -1;
	}
	strcpy(address.sun_path, path);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, CONNECTIONS_MAX) < 0)
		return -1;
	if (chown(path, owner, group) < 0 || chmod(path, mode & 07777) < 0)
		return -1;
	return 0;
}

void relay_pump(void)
{
	for (struct connection *c = connections; c != NULL; c = c->next)
		connection_watch(c);
	listeners_watch();
}

static struct connection *connection_find(uint32_t id)
{
	for (struct connection *c = connections; c != NULL; c = c->next)
		if (c->id == id)
			return c;
	return NULL;
}

void relay_data(uint32_t id, const uint8_t *data, size_t length)
{
	struct connection *c = connection_find(id);
	if (c == NULL || c->write_ending || length == 0)
		return;
	uint32_t waiting = c->pending_used - c->pending_at;
	uint8_t *grown = waiting + length > WINDOW ? NULL : malloc(waiting + length);
	if (grown == NULL) {
		connection_drop(c);
		return;
	}
	if (waiting > 0)
		memcpy(grown, c->pending + c->pending_at, waiting);
	memcpy(grown + waiting, data, length);
	free(c->pending);
	c->pending = grown;
	c->pending_at = 0;
	c->pending_used = waiting + (uint32_t)length;
	connection_flush(c);
}

void relay_credit(uint32_t id, uint32_t bytes)
{
	struct connection *c = connection_find(id);
	if (c == NULL)
		return;
	/* Never more than the window, whatever was sent. */
	c->credit = bytes > WINDOW - c->credit ? WINDOW : c->credit + bytes;
	connection_watch(c);
}

void relay_end(uint32_t id, uint8_t kind)
{
	struct connection *c = connection_find(id);
	if (c == NULL)
		return;
	/* What came before it is still for the container: the connection goes when that is written. */
	if (kind == END_WHOLE)
		c->read_ended = true;
	c->write_ending = true;
	connection_watch(c);
	connection_flush(c);
}

void relay_forget_connection(void)
{
	while (connections != NULL)
		connection_free(connections);
	listeners_watch();
}

/* Sockets of the host inside the container (docs/design/relayed-sockets.md). */
#ifndef BERTH_RELAY_H
#define BERTH_RELAY_H

#include "container.h"

#define RELAY_SOCKETS_MAX 16

/* In the agent: a socket for each that the mounts ask for, in their order, for the child to bind. */
int relay_open(const struct start_spec *spec, int fds[RELAY_SOCKETS_MAX], uint32_t *count, struct fault *fault);
/* Gives the sockets up: the container did not start. */
void relay_close(void);
/* In the child: the socket appears there and listens, with mode, owner and group as `MODE:UID:GID`. */
int relay_bind(int fd, const char *path, const char *attributes);

/* There may be room, or a daemon, again. */
void relay_pump(void);
void relay_data(uint32_t id, const uint8_t *data, size_t length);
void relay_credit(uint32_t id, uint32_t bytes);
void relay_end(uint32_t id, uint8_t kind);
/* The connection to the daemon is new or gone: every relayed one ends. */
void relay_forget_connection(void);

#endif

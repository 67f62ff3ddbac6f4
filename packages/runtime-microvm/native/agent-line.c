/*
 * Preloaded into QEMU for a clone. Whoever speaks to a guest while its devices are being restored is never answered: an
 * interrupt for a device that is restored ahead of the interrupt controller is lost. So the connection to the agent is
 * left in the socket's queue until the machine runs, and the host may connect and speak at once.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* Where launch.ts puts the agent's listening socket. */
#define AGENT_SOCKET 3

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	static int (*next)(int, struct sockaddr *, socklen_t *, int);
	static bool (*running)(void);
	if (next == NULL) {
		next = (int (*)(int, struct sockaddr *, socklen_t *, int))dlsym(RTLD_NEXT, "accept4");
		running = (bool (*)(void))dlsym(RTLD_DEFAULT, "runstate_is_running");
	}
	if (fd == AGENT_SOCKET && running != NULL && !running()) {
		errno = EAGAIN;
		return -1;
	}
	return next(fd, address, length, flags);
}

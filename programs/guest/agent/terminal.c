/* Pseudo terminals, made in the container's own devpts so that their names mean something in there. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

/* Returns the master; `slave` gets the other end, opened through the same mount. */
int terminal_open(int root_fd, int *slave, struct fault *fault)
{
	int master = openat(root_fd, "dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	int unlock = 0;
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		goto failed;
	*slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*slave < 0)
		goto failed;
	return master;
failed:
	fault_set(fault, "internal", "making a terminal: %s", error_text(errno));
	if (master >= 0)
		close(master);
	return -1;
}

void terminal_size(int fd, uint16_t columns, uint16_t rows)
{
	struct winsize size = {.ws_col = columns, .ws_row = rows};
	ioctl(fd, TIOCSWINSZ, &size);
}

/*
 * The agent: process 1 of a VM, or (`--host --socket PATH`) a process of the host. It holds one container, and what the
 * container has said and nobody has acknowledged.
 */
#include "agent.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct agent agent;

static void child_ready(struct source *source, uint32_t events)
{
	struct signalfd_siginfo info;
	(void)events;
	while (read(source->fd, &info, sizeof info) == (ssize_t)sizeof info)
		;
	process_reap();
}

int main(int argc, char **argv)
{
	const char *path = NULL;
	agent.root = "/";
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--host") == 0)
			agent.host = true;
		else if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc)
			path = argv[++i];
		else if (strcmp(argv[i], "--root") == 0 && i + 1 < argc)
			agent.root = argv[++i];
	}
	if (argc == 2 && strcmp(argv[1], "--tsc-khz") == 0)
		return clock_print_tsc_khz();
	if (!agent.host && getpid() != 1)
		return 2;

	sigset_t children;
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Large buffers go back to the kernel when freed: an idle guest's memory is the host's. */
	mallopt(M_MMAP_THRESHOLD, 16 << 10);
	mallopt(M_TRIM_THRESHOLD, 32 << 10);

	if (!agent.host)
		boot_system();
	/* Numbers 0 to 2 stay taken, so that pipes never land there. */
	for (int fd; (fd = open("/dev/null", O_RDWR)) >= 0;)
		if (fd > 2) {
			close(fd);
			break;
		}
	limits_open();
	struct fault fault;
	struct source child = {.ready = child_ready};
	child.fd = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
	if (loop_open() < 0)
		return 3;
	loop_watch(&child, EPOLLIN);
	if (!agent.host && network_loopback(&fault) < 0)
		boot_trace(fault.message);
	if ((path != NULL ? port_open_socket(path) : port_open_device("berth.agent")) < 0) {
		boot_trace("no port");
		return 4;
	}
	boot_trace("port open");
	for (;;) {
		loop_turn(process_timeout());
		if (process_timeout() >= 0)
			process_pump();
	}
}

/* The event loop: one epoll, level-triggered, sources embedded in what they belong to. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

static int epoll_fd = -1;

/* Events already fetched, so that a source closed by an earlier one of the same turn is not touched again. Turns nest. */
struct turn {
	struct turn *outer;
	struct epoll_event events[32];
	int count;
};
static struct turn *turns;

int loop_open(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return epoll_fd < 0 ? -1 : 0;
}

void loop_watch(struct source *source, uint32_t events)
{
	if (source->fd < 0 || source->events == events)
		return;
	struct epoll_event event = {.events = events, .data.ptr = source};
	/* Removed rather than masked: a hang-up is reported whatever the mask says, and would spin. */
	int operation = events == 0 ? EPOLL_CTL_DEL : source->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	epoll_ctl(epoll_fd, operation, source->fd, &event);
	source->events = events;
	if (events == 0)
		for (struct turn *turn = turns; turn != NULL; turn = turn->outer)
			for (int i = 0; i < turn->count; i++)
				if (turn->events[i].data.ptr == source)
					turn->events[i].data.ptr = NULL;
}

void source_close(struct source *source)
{
	if (source->fd < 0)
		return;
	loop_watch(source, 0);
	close(source->fd);
	source->fd = -1;
}

void loop_turn(int timeout_ms)
{
	struct turn turn = {.outer = turns};
	turn.count = epoll_wait(epoll_fd, turn.events, sizeof turn.events / sizeof *turn.events, timeout_ms);
	turns = &turn;
	for (int i = 0; i < turn.count; i++) {
		struct source *source = turn.events[i].data.ptr;
		if (source != NULL)
			source->ready(source, turn.events[i].events);
	}
	turns = turn.outer;
}

int set_nonblocking(int fd)
{
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

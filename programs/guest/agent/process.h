/* A process the agent started for the host: the container's main process (id 0) or an exec. */
#ifndef BERTH_PROCESS_H
#define BERTH_PROCESS_H

#include "agent.h"

/* What a child reports before it becomes the program; then the pipe closes by itself (success) or a fault follows. */
struct process_report {
	int32_t pid;
	struct fault fault;
};

struct process {
	struct process *next;
	uint32_t id;
	pid_t pid;
	uint32_t request; /* to be answered when the program runs, or does not */
	bool terminal;
	bool running; /* the program has been executed */
	bool reaped;
	bool worker; /* reads or writes files, and is nothing without its connection */
	bool orphan; /* its host connection is gone: output goes nowhere */
	int wait_status;
	uint64_t finished_at_ms;
	uint64_t drain_until_ms; /* ended, but its terminal may still have something */
	struct source status;
	struct source output;
	struct source error;
	struct source input;
	struct process_report report;
	size_t reported;
	uint64_t credit; /* bytes of output the host will take */
	uint8_t *pending; /* standard input not yet taken by the process */
	uint32_t pending_at;
	uint32_t pending_used;
	uint32_t pending_size;
	uint32_t pending_stale; /* of it, sent over an earlier connection */
	bool input_ending;
};

/* The child's ends of stdio and status; closed by the agent after the child has them. */
struct child_ends {
	int stdio[3];
	int status;
};

/* Gives the process what it will take of its standard input, and the host credit for as much. */
void process_input_flush(struct process *p);
/* A worker takes much: its pipe is larger, and the host may send more ahead. */
void process_input_widen(struct process *p);
void process_input_ready(struct source *source, uint32_t events);

/* Makes pipes or a terminal as the spec says, and watches the agent's ends. */
int process_plumb(struct process *p, const struct process_spec *spec, int root_fd, struct child_ends *ends, struct fault *fault);
void child_ends_close(struct child_ends *ends);
/* In the child: takes the stdio ends as 0, 1, 2 and the terminal as controlling one. */
int child_take_stdio(const struct child_ends *ends, bool terminal);
/* In the child: says the fault and ends. */
_Noreturn void child_fail(int status_fd, const struct fault *fault);

/* The container's root as its processes see it, and the pidfd of its process 1; -1 before prepare. */
extern int container_root_fd;
extern int container_pidfd;

#endif

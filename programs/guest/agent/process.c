/* Processes the host listens to: their pipes, their standard input, their end. */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Output taken from a process at once; one frame. */
#define READ_SIZE 30000u
/* A terminal's last words may lie in the kernel for a moment after the process has ended. */
#define DRAIN_MS 1000u

struct process *main_process;
static struct process *all;

static void status_ready(struct source *source, uint32_t events);
static void output_ready(struct source *source, uint32_t events);
static void finish_if_done(struct process *p);

struct process *process_new(uint32_t id)
{
	struct process *p = calloc(1, sizeof *p);
	if (p == NULL)
		return NULL;
	p->id = id;
	p->orphan = agent.rehearsing;
	p->status = (struct source){-1, 0, status_ready, p};
	p->output = (struct source){-1, 0, output_ready, p};
	p->error = (struct source){-1, 0, output_ready, p};
	p->input = (struct source){-1, 0, process_input_ready, p};
	p->next = all;
	all = p;
	return p;
}

struct process *process_find(uint32_t id)
{
	for (struct process *p = all; p != NULL; p = p->next)
		if (p->id == id && !p->orphan)
			return p;
	return NULL;
}

struct process *process_rehearsed(uint32_t id)
{
	for (struct process *p = all; p != NULL; p = p->next)
		if (p->id == id && p->orphan)
			return p;
	return NULL;
}

void process_forget_rehearsal(void)
{
	while (all != NULL)
		process_free(all);
}

void process_free(struct process *p)
{
	for (struct process **at = &all; *at != NULL; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	source_close(&p->status);
	source_close(&p->output);
	source_close(&p->error);
	source_close(&p->input);
	free(p->pending);
	if (p == main_process)
		main_process = NULL;
	free(p);
}

/* ---- plumbing ---- */

static int pipe_pair(int *agent_end, int *child_end, bool child_reads)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	*child_end = ends[child_reads ? 0 : 1];
	*agent_end = ends[child_reads ? 1 : 0];
	return set_nonblocking(*agent_end);
}

int process_plumb(struct process *p, const struct process_spec *spec, int root_fd, struct child_ends *ends, struct fault *fault)
{
	*ends = (struct child_ends){{-1, -1, -1}, -1};
	p->terminal = spec->terminal;
	if (pipe_pair(&p->status.fd, &ends->status, false) < 0)
		goto failed;
	if (spec->terminal) {
		int slave;
		p->output.fd = terminal_open(root_fd, &slave, fault);
		if (p->output.fd < 0) {
			child_ends_close(ends);
			return -1;
		}
		ends->stdio[0] = slave;
		if (spec->columns > 0 && spec->rows > 0)
			terminal_size(p->output.fd, spec->columns, spec->rows);
		/* A second descriptor, for the loop knows one purpose each. */
		p->input.fd = fcntl(p->output.fd, F_DUPFD_CLOEXEC, 3);
	} else {
		if (pipe_pair(&p->output.fd, &ends->stdio[1], false) < 0 || pipe_pair(&p->error.fd, &ends->stdio[2], false) < 0)
			goto failed;
		if (!spec->stdin_open)
			ends->stdio[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		else if (pipe_pair(&p->input.fd, &ends->stdio[0], true) < 0)
			goto failed;
	}
	if (ends->stdio[0] < 0)
		goto failed;
	loop_watch(&p->status, EPOLLIN);
	return 0;
failed:
	child_ends_close(ends);
	return fault_set(fault, "internal", "making pipes: %s", error_text(errno));
}

void child_ends_close(struct child_ends *ends)
{
	for (int i = 0; i < 3; i++)
		if (ends->stdio[i] >= 0)
			close(ends->stdio[i]);
	if (ends->status >= 0)
		close(ends->status);
}

int child_take_stdio(const struct child_ends *ends, bool terminal)
{
	/* The ends all lie above 2, since the agent keeps 0 to 2 occupied. */
	for (int fd = 0; fd < 3; fd++)
		if (dup2(ends->stdio[terminal ? 0 : fd], fd) < 0)
			return -1;
	setsid();
	if (terminal && ioctl(0, TIOCSCTTY, 0) < 0)
		return -1;
	return 0;
}

void child_fail(int status_fd, const struct fault *fault)
{
	if (write(status_fd, fault, sizeof *fault) < 0)
		_exit(125);
	_exit(126);
}

/* ---- output ---- */

enum taken { TAKEN_SOME, TAKEN_NOTHING, TAKEN_END };

/* Takes one piece; at the end closes the source. */
static enum taken take_output(struct process *p, struct source *source, size_t limit)
{
	static uint8_t buffer[READ_SIZE + 1];
	uint8_t stream = source == &p->error ? 2 : 1;
	ssize_t got;
	do
		got = read(source->fd, buffer + 1, limit < READ_SIZE ? limit : READ_SIZE);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return TAKEN_NOTHING;
	/* A terminal that nobody holds open any more answers EIO: its way to say end of file. */
	if (got <= 0) {
		source_close(source);
		return TAKEN_END;
	}
	if (p == main_process) {
		journal_append(stream, buffer + 1, (size_t)got);
	} else if (!p->orphan) {
		p->credit -= (uint64_t)got;
		buffer[0] = stream;
		port_send(MSG_EXEC_OUTPUT, p->id, buffer, (size_t)got + 1);
	}
	return TAKEN_SOME;
}

/* How much may be taken from the process now. */
static size_t output_allowance(const struct process *p)
{
	if (p == main_process)
		return journal_full() ? 0 : READ_SIZE;
	if (p->orphan)
		return READ_SIZE;
	return port_has_room() ? p->credit : 0;
}

static void output_watch(struct process *p)
{
	uint32_t events = p->running && output_allowance(p) > 0 ? EPOLLIN : 0;
	loop_watch(&p->output, events);
	loop_watch(&p->error, events);
}

static void output_ready(struct source *source, uint32_t events)
{
	(void)events;
	struct process *p = source->owner;
	size_t allowance = output_allowance(p);
	if (allowance == 0)
		output_watch(p);
	else if (take_output(p, source, allowance) == TAKEN_END && p->reaped)
		finish_if_done(p);
}

void process_pump(void)
{
	for (struct process *p = all, *next; p != NULL; p = next) {
		next = p->next;
		output_watch(p);
		if (p->reaped)
			finish_if_done(p);
	}
}

void process_credit(uint32_t id, uint32_t bytes)
{
	struct process *p = process_find(id);
	if (p == NULL || p == main_process)
		return;
	p->credit += bytes;
	process_pump();
}

/* ---- beginning and end ---- */

/* The status pipe: a pid, then either a fault or, because exec closes it, nothing. */
static void status_ready(struct source *source, uint32_t events)
{
	(void)events;
	struct process *p = source->owner;
	for (;;) {
		if (p->reported == sizeof p->report)
			break;
		ssize_t got = read(source->fd, (uint8_t *)&p->report + p->reported, sizeof p->report - p->reported);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0)
			break;
		p->reported += (size_t)got;
	}
	source_close(source);
	if (p->reported == sizeof p->report.pid) {
		boot_trace("program runs");
		p->running = true;
		if (p == main_process) {
			agent.phase = PHASE_RUNNING;
			agent.started_at_ms = now_ms();
		}
		struct writer w = {0};
		write_u32(&w, (uint32_t)p->report.pid);
		/* The same moment as a later HELLO is told. */
		write_u64(&w, p == main_process ? agent.started_at_ms : now_ms());
		if (!p->orphan)
			port_send_writer(MSG_REPLY, p->request, &w);
		writer_free(&w);
		output_watch(p);
		if (p == main_process)
			relay_pump();
		if (p->reaped)
			finish_if_done(p);
		return;
	}
	struct fault fault = p->report.fault;
	if (p->reported != sizeof p->report)
		fault_set(&fault, "internal", "the process ended before it could be executed");
	if (p == main_process) {
		agent.phase = PHASE_EXITED;
		relay_close();
	}
	if (!p->orphan)
		port_fault(p->request, &fault);
	/* Reaped without a listener. */
	process_free(p);
}

static void finish_if_done(struct process *p)
{
	if (!p->reaped || !p->running)
		return;
	/* What was written before the end is taken; what background children of an exec write later is not waited for. */
	struct source *const sources[] = {&p->output, &p->error};
	for (size_t i = 0; i < 2; i++) {
		struct source *source = sources[i];
		while (source->fd >= 0) {
			size_t allowance = output_allowance(p);
			if (allowance == 0)
				return;
			if (take_output(p, source, allowance) != TAKEN_NOTHING)
				continue;
			if ((p == main_process || p->terminal) && now_ms() < p->drain_until_ms)
				return;
			source_close(source);
		}
	}
	uint32_t code = WIFSIGNALED(p->wait_status) ? 128u + (uint32_t)WTERMSIG(p->wait_status) : (uint32_t)WEXITSTATUS(p->wait_status);
	bool out_of_memory = limits_oom_killed();
	if (p == main_process) {
		agent.phase = PHASE_EXITED;
		uint64_t finished_at_ms = p->finished_at_ms;
		process_free(p);
		journal_end(code, out_of_memory, finished_at_ms);
		return;
	}
	if (!p->orphan) {
		struct writer w = {0};
		write_u32(&w, code);
		write_u8(&w, out_of_memory && code == 137);
		write_u64(&w, p->finished_at_ms);
		port_send_writer(MSG_EXEC_EXIT, p->id, &w);
	}
	process_free(p);
}

void process_reap(void)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (struct process *p = all; p != NULL; p = p->next)
			if (p->pid == pid) {
				p->reaped = true;
				p->wait_status = status;
				p->finished_at_ms = now_ms();
				p->drain_until_ms = p->finished_at_ms + DRAIN_MS;
				/* The report comes first: whether the program ever ran decides what its end means. */
				if (p->status.fd >= 0)
					status_ready(&p->status, 0);
				else
					finish_if_done(p);
				break;
			}
}

int process_timeout(void)
{
	/* Waiting for the host's credit or acknowledgement needs no clock: those come as messages. */
	for (struct process *p = all; p != NULL; p = p->next)
		if (p->reaped && p->running && (p == main_process || p->terminal) && output_allowance(p) > 0)
			return 20;
	return -1;
}

int process_resize(uint32_t id, uint16_t columns, uint16_t rows, struct fault *fault)
{
	struct process *p = process_find(id);
	if (p == NULL || !p->terminal || p->output.fd < 0)
		return fault_set(fault, "no-terminal", "the process has no terminal");
	terminal_size(p->output.fd, columns, rows);
	return 0;
}

int process_signal(uint32_t id, int signal, struct fault *fault)
{
	struct process *p = process_find(id);
	if (p == NULL || p->reaped || !p->running)
		return fault_set(fault, "not-running", "the process is not running");
	if (kill(p->pid, signal) < 0)
		return fault_set(fault, errno == EINVAL ? "signal-invalid" : "not-running", "kill: %s", error_text(errno));
	return 0;
}

void process_end_workers(void)
{
	for (struct process *p = all; p != NULL; p = p->next)
		if (p->worker && p->orphan && !p->reaped && p->pid > 0) {
			kill(p->pid, SIGKILL);
			waitid(P_PID, (id_t)p->pid, NULL, WEXITED | WNOWAIT);
		}
}

void process_forget_connection(void)
{
	for (struct process *p = all, *next; p != NULL; p = next) {
		next = p->next;
		if (p == main_process) {
			p->pending_stale = p->pending_used - p->pending_at;
			continue;
		}
		if (p->worker && !p->reaped)
			kill(p->pid, SIGKILL);
		p->orphan = true;
		p->input_ending = true;
		process_input_flush(p);
		output_watch(p);
		if (p->reaped)
			finish_if_done(p);
	}
}

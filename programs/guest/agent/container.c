/*
 * The child that becomes the container's process 1. `prepare` forks it into its namespaces and lets it build everything
 * that does not depend on the container's specification; then it sleeps on a socket until `start` sends that.
 */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int container_root_fd = -1;
int container_pidfd = -1;
static int control_fd = -1;
static pid_t container_pid = -1;
static int own_pid_namespace = -1;

pid_t clone_process(uint64_t flags, int cgroup_fd, int *pidfd)
{
	struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	if (pidfd != NULL) {
		args.flags |= CLONE_PIDFD;
		args.pidfd = (uint64_t)(uintptr_t)pidfd;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

pid_t container_fork_outside(void)
{
	if (own_pid_namespace >= 0 && setns(own_pid_namespace, CLONE_NEWPID) < 0)
		return -1;
	pid_t pid = clone_process(0, -1, NULL);
	int error = errno;
	/* Fails when the container's first process is gone; then nothing will be forked into it either. */
	if (pid != 0 && container_pidfd >= 0)
		setns(container_pidfd, CLONE_NEWPID);
	errno = error;
	return pid;
}

#define PASSED_MAX (4 + RELAY_SOCKETS_MAX)

/* What is said before the start message itself; the descriptors that come with it are status, streams, sockets. */
struct start_header {
	uint64_t size;
	uint32_t streams;
	uint32_t sockets;
};

/* Receives the start message, the ends of stdio and the sockets; false when the agent has gone or given up. */
static bool receive_start(int socket, struct child_ends *ends, int sockets[RELAY_SOCKETS_MAX], uint8_t **body, size_t *length)
{
	struct start_header start = {0};
	union {
		char space[CMSG_SPACE(PASSED_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {&start, sizeof start};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != sizeof start)
		return false;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header == NULL || header->cmsg_type != SCM_RIGHTS || start.size > MESSAGE_MAX)
		return false;
	int fds[PASSED_MAX];
	memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
	ends->status = fds[0];
	for (size_t i = 0; i < 3; i++)
		ends->stdio[i] = i < start.streams ? fds[i + 1] : -1;
	memcpy(sockets, fds + 1 + start.streams, start.sockets * sizeof(int));
	size_t size = start.size;
	*length = size;
	*body = malloc(size);
	for (size_t used = 0; *body != NULL && used < size;) {
		ssize_t got = recv(socket, *body + used, size - used, 0);
		if (got <= 0)
			return false;
		used += (size_t)got;
	}
	return *body != NULL;
}

static int send_start(int socket, const struct child_ends *ends, const int *sockets, uint32_t socket_count, const uint8_t *body, size_t length)
{
	struct start_header start = {length, ends->stdio[1] < 0 ? 1 : 3, socket_count};
	int fds[PASSED_MAX] = {ends->status, ends->stdio[0], ends->stdio[1], ends->stdio[2]};
	memcpy(fds + 1 + start.streams, sockets, socket_count * sizeof(int));
	size_t count = 1 + start.streams + socket_count;
	union {
		char space[CMSG_SPACE(sizeof fds)];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {&start, sizeof start};
	struct msghdr message = {
	    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	if (sendmsg(socket, &message, MSG_NOSIGNAL) != sizeof start)
		return -1;
	for (size_t used = 0; used < length;) {
		ssize_t put = send(socket, body + used, length - used, MSG_NOSIGNAL);
		if (put <= 0)
			return -1;
		used += (size_t)put;
	}
	return 0;
}

/* Process 1 of `--init`: passes signals on, buries orphans, and ends as its child ends. */
_Noreturn static void be_init(pid_t child)
{
	sigset_t every;
	sigfillset(&every);
	for (;;) {
		int number = sigwaitinfo(&every, NULL);
		if (number == SIGCHLD) {
			int status;
			pid_t pid;
			while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
				if (pid == child)
					_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
		} else if (number > 0) {
			kill(child, number);
		}
	}
}

_Noreturn static void child_main(int socket)
{
	struct fault fault = {0};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (rootfs_prepare(&fault) < 0) {
		if (send(socket, &fault, sizeof fault, MSG_NOSIGNAL) < 0)
			_exit(125);
		_exit(126);
	}
	if (send(socket, "", 1, MSG_NOSIGNAL) != 1)
		_exit(125);

	struct child_ends ends;
	int sockets[RELAY_SOCKETS_MAX];
	uint8_t *body;
	size_t length;
	if (!receive_start(socket, &ends, sockets, &body, &length))
		_exit(125);
	struct start_spec spec;
	int read = read_start_spec(&(struct reader){body, body + length, false}, &spec);
	spec.sockets = sockets;
	if (read < 0) {
		fault_set(&fault, "internal", "start: malformed request");
	} else if (child_take_stdio(&ends, spec.process.terminal) < 0) {
		fault_set(&fault, "internal", "taking standard streams: %s", error_text(errno));
	} else if (rootfs_finish(&spec, &fault) == 0) {
		boot_trace(" root finished");
		int32_t pid = 1;
		if (spec.init) {
			/* Everything is blocked from here, so that nothing is lost between the fork and the first wait. */
			sigset_t every;
			sigfillset(&every);
			sigprocmask(SIG_SETMASK, &every, NULL);
			pid_t child = fork();
			if (child > 0) {
				child_ends_close(&ends);
				close(socket);
				for (int fd = 0; fd < 3; fd++)
					close(fd);
				be_init(child);
			}
			setsid();
			if (spec.process.terminal)
				child_steal_terminal();
		}
		if (write(ends.status, &pid, sizeof pid) == sizeof pid)
			process_execute(&spec.process, true, &fault);
		/* The report holds pid and fault: the pid is there already. */
		child_fail(ends.status, &fault);
	}
	int32_t none = 0;
	if (write(ends.status, &none, sizeof none) < 0)
		_exit(125);
	child_fail(ends.status, &fault);
}

int container_prepare(struct fault *fault)
{
	int sockets[2];
	if (files_write("hosts", "", fault) < 0 || files_write("resolv.conf", "", fault) < 0 || files_write("hostname", "", fault) < 0 ||
	    (access(FILES_DIR "/boot_id", F_OK) < 0 && files_write("boot_id", "", fault) < 0))
		return -1;
	if (own_pid_namespace < 0)
		own_pid_namespace = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return fault_set(fault, "internal", "socketpair: %s", error_text(errno));
	pid_t pid = clone_process(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS, limits_cgroup(), &container_pidfd);
	if (pid == 0) {
		close(sockets[0]);
		child_main(sockets[1]);
	}
	close(sockets[1]);
	if (pid < 0) {
		close(sockets[0]);
		return fault_set(fault, "internal", "clone: %s", error_text(errno));
	}
	container_pid = pid;
	control_fd = sockets[0];
	/* One byte: ready. More: a fault. */
	struct fault told;
	ssize_t got = recv(control_fd, &told, sizeof told, 0);
	if (got != 1) {
		container_abandon();
		if (got == (ssize_t)sizeof told)
			*fault = told;
		else
			fault_set(fault, "internal", "the container's first process ended while preparing");
		return -1;
	}
	char path[48];
	snprintf(path, sizeof path, "/proc/%d/root", (int)pid);
	container_root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* From here every fork of the agent lands in the container's process namespace. */
	if (container_root_fd < 0 || setns(container_pidfd, CLONE_NEWPID) < 0) {
		container_abandon();
		return fault_set(fault, "internal", "entering the container: %s", error_text(errno));
	}
	return 0;
}

void container_abandon(void)
{
	if (container_pid > 0) {
		kill(container_pid, SIGKILL);
		waitpid(container_pid, NULL, 0);
	}
	int *const fds[] = {&control_fd, &container_root_fd, &container_pidfd};
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	if (own_pid_namespace >= 0)
		setns(own_pid_namespace, CLONE_NEWPID);
	container_pid = -1;
}

int container_start(uint32_t request, const uint8_t *body, size_t length, struct fault *fault)
{
	struct start_spec spec;
	if (read_start_spec(&(struct reader){body, body + length, false}, &spec) < 0)
		return fault_set(fault, "internal", "start: malformed request");
	if (files_write("hosts", spec.hosts, fault) < 0 || files_write("resolv.conf", spec.resolv_conf, fault) < 0 ||
	    files_write("hostname", spec.hostname_file, fault) < 0 || limits_apply(&spec.limits, fault) < 0)
		return -1;
	if (!agent.host && volumes_bind(&spec, fault) < 0)
		return -1;
	if (!agent.rehearsing)
		volumes_remember(&spec);
	struct reader nics = spec.nics;
	for (uint32_t i = 0; i < spec.nic_count && !agent.host; i++)
		if (network_configure(i, &nics, fault) < 0)
			return -1;
	boot_trace(" limits and networks set");
	struct process *p = process_new(0);
	if (p == NULL)
		return fault_set(fault, "memory-exhausted", "no memory left in the guest");
	p->pid = container_pid;
	p->request = request;
	struct child_ends ends;
	if (process_plumb(p, &spec.process, container_root_fd, &ends, fault) < 0) {
		process_free(p);
		return -1;
	}
	if (!agent.rehearsing)
		main_process = p;
	int sockets[RELAY_SOCKETS_MAX];
	uint32_t socket_count = 0;
	if (relay_open(&spec, sockets, &socket_count, fault) < 0) {
		child_ends_close(&ends);
		process_free(p);
		return -1;
	}
	int sent = send_start(control_fd, &ends, sockets, socket_count, body, length);
	child_ends_close(&ends);
	close(control_fd);
	control_fd = -1;
	if (sent < 0) {
		relay_close();
		process_free(p);
		return fault_set(fault, "internal", "the container's first process is gone");
	}
	return 0;
}

int exec_start(uint32_t request, uint32_t id, struct reader *body, struct fault *fault)
{
	if ((agent.phase != PHASE_RUNNING && !agent.rehearsing) || container_pidfd < 0)
		return fault_set(fault, "not-running", "the container is not running");
	struct process_spec spec;
	read_process_spec(body, &spec);
	if (body->bad)
		return fault_set(fault, "internal", "exec: malformed request");
	struct process *p = id == 0 || process_find(id) != NULL ? NULL : process_new(id);
	if (p == NULL)
		return fault_set(fault, "internal", "exec: the id is taken, or memory is");
	p->request = request;
	struct child_ends ends;
	if (process_plumb(p, &spec, container_root_fd, &ends, fault) < 0) {
		process_free(p);
		return -1;
	}
	p->pid = clone_process(0, limits_cgroup(), NULL);
	if (p->pid == 0) {
		struct fault child_fault = {0};
		int32_t pid = getpid();
		int namespaces = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (agent.host ? 0 : CLONE_NEWCGROUP);
		/* Before the mount namespace changes: afterwards /proc is the container's, and that file out of reach. */
		if (!agent.host)
			file_write("/proc/thread-self/oom_score_adj", "0");
		if (write(ends.status, &pid, sizeof pid) < 0)
			_exit(125);
		if (setns(container_pidfd, namespaces) < 0)
			fault_set(&child_fault, "not-running", "the container is not running");
		else if (child_take_stdio(&ends, spec.terminal) < 0)
			fault_set(&child_fault, "internal", "taking standard streams: %s", error_text(errno));
		else
			process_execute(&spec, false, &child_fault);
		child_fail(ends.status, &child_fault);
	}
	child_ends_close(&ends);
	if (p->pid < 0) {
		int error = errno;
		process_free(p);
		return fault_set(fault, "not-running", "starting a process in the container: %s", error_text(error));
	}
	return 0;
}

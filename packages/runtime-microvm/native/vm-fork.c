/*
 * Preloaded into an emulating QEMU, it makes a stopped virtual machine fork: fork(2) of the whole process, all its threads
 * with it. A child has the guest's memory and, what costs most under emulation, the guest's code as it was translated, both
 * shared with the parent until written. (With KVM a machine cannot be forked so: its descriptors belong to one address space.)
 *
 * The parent is told by a message on the socket BERTH_FORK, see docs/design/virtual-machines.md: the child's name and folder, and
 * descriptors that take the place of the parent's own: agent socket, monitor socket, tap, writable layer, log, and one that
 * nobody uses, so that its other end sees the child die. It answers with the child's pid, or a negative errno.
 *
 * Done from the main loop's ppoll(), where QEMU's main thread holds no lock and the machine is stopped: the other threads are
 * caught (threads.c), clone(2) without CLONE_VM copies the process, and in the child they are made again. Before that, what
 * the child shares with its parent against both their interests is replaced, and the sandbox closed: the parent must
 * be able to make processes, the child must not.
 */
#define _GNU_SOURCE
#include "threads.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Descriptors of the launch and of a message, in this order. */
enum { AGENT, MONITOR, TAP, SCRATCH, SPOOL, LOG, LIFE, PLACES };

struct request {
	char name[64];
	char shares[256]; /* the folder that a 9p device exports (native/own-mounts.c) */
};

static int control = -1;
/* Debian's QEMU exports all of its functions, for its modules. */
static struct {
	bool (*running)(void);
	void (*start)(void), (*lock)(const char *, int), (*unlock)(void);
} qemu;
static const int launched[3] = {3, 4, 5};
static char scratch_path[PATH_MAX], spool_path[PATH_MAX], shares_path[PATH_MAX];
static char *name_on_command_line;
static int tap_offload = -1, tap_header = -1, tap_sndbuf = -1;

static int put(int fd, int place, int flags)
{
	return dup3(fd, place, flags) < 0 ? -errno : 0;
}

/*
 * A mount namespace of the child's own, and its folder seen from there: what the host mounts in it later is seen through
 * nothing else.
 */
static int export(const char *path, int place)
{
	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = put(fd, place, O_CLOEXEC);
	close(fd);
	return error;
}

/* Eventfds would wake the parent, and the files of its writable disks are the parent's: both under the numbers QEMU knows. */
static int replace_descriptors(const struct request *request, const int *given)
{
	DIR *fds = opendir("/proc/self/fd");
	if (fds == NULL)
		return -errno;
	int error = 0, exported = -1;
	for (struct dirent *entry; error == 0 && (entry = readdir(fds)) != NULL;) {
		char path[64], target[PATH_MAX];
		int fd = atoi(entry->d_name);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t length = readlink(path, target, sizeof target - 1);
		if (length < 0)
			continue;
		target[length] = 0;
		if (strcmp(target, "anon_inode:[eventfd]") == 0) {
			unsigned int pending = 0;
			snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
			FILE *info = fopen(path, "re");
			char line[128];
			while (info != NULL && fgets(line, sizeof line, info) != NULL)
				(void)!sscanf(line, "eventfd-count: %x", &pending);
			if (info != NULL)
				fclose(info);
			int fresh = eventfd(pending, EFD_CLOEXEC | EFD_NONBLOCK);
			error = fresh < 0 ? -errno : put(fresh, fd, O_CLOEXEC);
			close(fresh);
		} else if (strcmp(target, "anon_inode:[eventpoll]") == 0) {
			/* QEMU uses one from 64 handlers on, which no machine of ours has. */
			error = -ENOTSUP;
		} else if (strcmp(target, scratch_path) == 0 && fd != given[SCRATCH]) {
			error = put(given[SCRATCH], fd, O_CLOEXEC);
		} else if (strcmp(target, spool_path) == 0 && fd != given[SPOOL]) {
			error = put(given[SPOOL], fd, O_CLOEXEC);
		} else if (strcmp(target, shares_path) == 0) {
			exported = fd;
		}
	}
	closedir(fds);
	if (error == 0 && exported >= 0)
		error = export(request->shares, exported);
	if (error == 0 && tap_header > 0)
		ioctl(given[TAP], TUNSETVNETHDRSZ, &tap_header);
	if (error == 0 && tap_offload >= 0)
		ioctl(given[TAP], TUNSETOFFLOAD, (unsigned long)tap_offload);
	if (error == 0 && tap_sndbuf >= 0)
		ioctl(given[TAP], TUNSETSNDBUF, &tap_sndbuf);
	for (int place = 0; error == 0 && place < 3; place++)
		error = put(given[place], launched[place], O_CLOEXEC);
	if (error == 0)
		error = put(given[LOG], 1, 0);
	if (error == 0)
		error = put(given[LOG], 2, 0);
	for (int place = 0; place < PLACES; place++)
		if (place != LIFE)
			close(given[place]);
	close(control);
	control = -1;
	return error;
}

#define DENY(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

/* QEMU's own filter, without its `spawn=deny`, holds already; this one is added to it. */
static int close_sandbox(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		DENY(SYS_fork),
		DENY(SYS_vfork),
		DENY(SYS_execve),
		DENY(SYS_execveat),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
		return -errno;
	return 0;
}

static void fail(const char *what, int error)
{
	dprintf(2, "berth: the machine could not be forked: %s: %s\n", what, strerror(-error));
	_exit(1);
}

static void be_child(const struct request *request, const int *given, int count)
{
	int error = replace_descriptors(request, given);
	if (error != 0)
		fail("descriptors", error);
	if (name_on_command_line != NULL && strlen(request->name) == strlen(name_on_command_line))
		strcpy(name_on_command_line, request->name);
	if ((error = close_sandbox()) != 0)
		fail("sandbox", error);
	if ((error = threads_restore(count)) != 0)
		fail("threads", error);
	qemu.lock(__FILE__, __LINE__);
	qemu.start();
	qemu.unlock();
}

/* ---- the parent ---- */

static int receive(struct request *request, int *given)
{
	char space[CMSG_SPACE(sizeof(int) * PLACES)];
	struct iovec data = {.iov_base = request, .iov_len = sizeof *request};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
	ssize_t length = recvmsg(control, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (length < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (length != sizeof *request || header == NULL || header->cmsg_len != CMSG_LEN(sizeof(int) * PLACES))
		return -1;
	memcpy(given, CMSG_DATA(header), sizeof(int) * PLACES);
	request->name[sizeof request->name - 1] = 0;
	request->shares[sizeof request->shares - 1] = 0;
	return 1;
}

/* True in a child. */
static int fork_machine(void)
{
	struct request request;
	int given[PLACES];
	int got = receive(&request, given);
	if (got == 0)
		return 0;
	if (got < 0) {
		/* The daemon is gone: there will be no more children. */
		_exit(0);
	}
	int32_t answer = -EBUSY;
	int count = qemu.running() ? -EBUSY : threads_catch();
	if (count >= 0) {
		long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		if (pid == 0) {
			be_child(&request, given, count);
			return 1;
		}
		answer = pid < 0 ? -errno : (int32_t)pid;
		threads_release();
	}
	for (int place = 0; place < PLACES; place++)
		close(given[place]);
	send(control, &answer, sizeof answer, MSG_NOSIGNAL);
	return 0;
}

/* One of two names: the second is QEMU 9's. */
static void *function(const char *name, const char *later)
{
	void *found = dlsym(RTLD_DEFAULT, name);
	return found != NULL ? found : dlsym(RTLD_DEFAULT, later);
}

static __attribute__((constructor)) void prepare(int argc, char **argv)
{
	const char *fd = getenv("BERTH_FORK"), *scratch = getenv("BERTH_SCRATCH"), *spool = getenv("BERTH_SPOOL"), *shares = getenv("BERTH_SHARES");
	if (fd == NULL || scratch == NULL || spool == NULL || shares == NULL || strlen(scratch) >= PATH_MAX || strlen(spool) >= PATH_MAX ||
	    strlen(shares) >= PATH_MAX)
		return;
	strcpy(scratch_path, scratch);
	strcpy(spool_path, spool);
	strcpy(shares_path, shares);
	if (argc > 2 && strcmp(argv[1], "-name") == 0)
		name_on_command_line = argv[2];
	*(void **)&qemu.running = function("runstate_is_running", "runstate_is_running");
	*(void **)&qemu.start = function("vm_start", "vm_start");
	*(void **)&qemu.lock = function("qemu_mutex_lock_iothread_impl", "bql_lock_impl");
	*(void **)&qemu.unlock = function("qemu_mutex_unlock_iothread", "bql_unlock");
	if (!threads_prepare() || qemu.running == NULL || qemu.start == NULL || qemu.lock == NULL || qemu.unlock == NULL) {
		/* Nobody answers: the daemon does without. */
		close(atoi(fd));
		return;
	}
	/* Nobody waits for a child: it leaves nothing behind when it ends. */
	signal(SIGCHLD, SIG_IGN);
	control = atoi(fd);
}

/* ---- doors into QEMU ---- */

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	static int (*next)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
	if (next == NULL)
		next = (int (*)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *))dlsym(RTLD_NEXT, "ppoll");
	if (control < 0 || syscall(SYS_gettid) != getpid())
		return next(fds, count, timeout, mask);
	struct pollfd all[count + 1];
	memcpy(all, fds, count * sizeof *fds);
	all[count] = (struct pollfd){.fd = control, .events = POLLIN};
	int result = next(all, count + 1, timeout, mask);
	int error = errno;
	memcpy(fds, all, count * sizeof *fds);
	if (result > 0 && all[count].revents != 0) {
		result--;
		if (fork_machine()) {
			/* Its descriptors are new ones: what was ready is not. */
			for (nfds_t i = 0; i < count; i++)
				fds[i].revents = 0;
			result = 0;
		}
	}
	errno = error;
	return result;
}

/* QEMU keeps the guest's memory from being forked. */
int madvise(void *address, size_t length, int advice)
{
	static int (*next)(void *, size_t, int);
	if (next == NULL)
		next = (int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "madvise");
	return control >= 0 && advice == MADV_DONTFORK ? 0 : next(address, length, advice);
}

/* What QEMU has set on its tap must be set on a child's. */
int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	va_start(arguments, request);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	if (control >= 0 && fd == launched[TAP]) {
		if (request == TUNSETOFFLOAD)
			tap_offload = (int)(uintptr_t)argument;
		else if (request == TUNSETVNETHDRSZ)
			tap_header = *(int *)argument;
		else if (request == TUNSETSNDBUF)
			tap_sndbuf = *(int *)argument;
	}
	long result = syscall(SYS_ioctl, fd, request, argument);
	return (int)result;
}

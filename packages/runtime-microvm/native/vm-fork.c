/*
 * Preloaded into an emulating QEMU, it makes a stopped virtual machine fork: fork(2) of the whole process, all its threads
 * with it. A child has the guest's memory and, what costs most under emulation, the guest's code as it was translated, both
 * shared with the parent until written. (With KVM a machine cannot be forked so: its descriptors belong to one address space.)
 *
 * The parent is told by a message on the socket BERTH_FORK, see docs/design/virtual-machines.md: the name of the child, and
 * descriptors that take the place of the parent's own: agent socket, monitor socket, tap, writable layer, log, the folder of
 * what it shares with the host, and one that nobody uses, so that its other end sees the child die. It answers with the child's pid, or a negative errno.
 *
 * Done from the main loop's ppoll(), where QEMU's main thread holds no lock and the machine is stopped:
 * 1. Each other thread gets a signal. Its handler notes where the thread is and waits. A thread counts as caught only when it
 *    was in a system call: not in the middle of malloc(), say.
 * 2. clone(2) without CLONE_VM copies the process with the calling thread.
 * 3. The child starts a thread in place of each one caught, on the same stack and thread-local storage. It goes on inside the
 *    handler, and by returning from it inside the interrupted system call, which begins again.
 * 4. What a child shares with its parent against both their interests is replaced: descriptors and eventfds.
 * 5. The sandbox is closed: the parent must be able to make processes, the child must not.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
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
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* One of the few that QEMU's threads leave unblocked. */
#define CATCH_SIGNAL SIGFPE
#define MOST_THREADS 64
#define PATIENCE_MS 2000

/* Descriptors of the launch and of a message, in this order. */
enum { AGENT, MONITOR, TAP, SCRATCH, LOG, SHARES, LIFE, PLACES };

struct request {
	char name[64];
};

struct caught {
	void *resume[5]; /* __builtin_setjmp */
	uintptr_t tls, stack;
	pid_t tid;
};

static struct caught threads[MOST_THREADS];
static _Atomic int arrived, ready, restless, released, restored, go;
static int control = -1;
/* Debian's QEMU exports all of its functions, for its modules. */
static struct {
	bool (*running)(void);
	void (*start)(void), (*lock)(const char *, int), (*unlock)(void);
} qemu;
static int launched[3] = {3, 4, 5};
static char scratch_path[PATH_MAX], shares_path[PATH_MAX];
static char *name_on_command_line;
static size_t tid_offset; /* of the thread id in glibc's struct pthread, which the thread pointer points to */
static int tap_offload = -1, tap_header = -1, tap_sndbuf = -1;

/* ---- small things ---- */

static long futex(_Atomic int *word, int operation, int value)
{
	return syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

static void wait_until_set(_Atomic int *word)
{
	while (atomic_load(word) == 0)
		futex(word, FUTEX_WAIT_PRIVATE, 0);
}

static void set(_Atomic int *word)
{
	atomic_store(word, 1);
	futex(word, FUTEX_WAKE_PRIVATE, INT_MAX);
}

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static pid_t *tid_of(uintptr_t tls)
{
	return (pid_t *)(tls + tid_offset);
}

static uintptr_t thread_pointer(void)
{
	return (uintptr_t)__builtin_thread_pointer();
}

/* ---- catching threads ---- */

/* Interrupted in a system call: the instruction at hand, or the one before it, is `syscall`. */
static int in_system_call(const ucontext_t *context)
{
	const uint8_t *ip = (const uint8_t *)context->uc_mcontext.gregs[REG_RIP];
	return (ip[0] == 0x0f && ip[1] == 0x05) || (ip[-2] == 0x0f && ip[-1] == 0x05);
}

/* Registers with the kernel what belongs to a thread and does not come with clone(2). */
static void adopt_thread(void)
{
	uintptr_t tls = thread_pointer();
	extern const ptrdiff_t __rseq_offset __attribute__((weak));
	extern const unsigned int __rseq_size __attribute__((weak));
	if (&__rseq_offset != NULL && &__rseq_size != NULL && __rseq_size != 0) {
		uint32_t *area = (uint32_t *)(tls + (uintptr_t)__rseq_offset);
		area[0] = 0;
		area[1] = (uint32_t)-1;
		syscall(SYS_rseq, area, 0x20, 0, 0x53053053);
	}
}

static __attribute__((noinline)) void be_caught(const ucontext_t *context)
{
	int slot = atomic_fetch_add(&arrived, 1);
	if (slot < MOST_THREADS) {
		struct caught *t = &threads[slot];
		t->tls = thread_pointer();
		t->tid = (pid_t)syscall(SYS_gettid);
		t->stack = (uintptr_t)__builtin_frame_address(0);
		if (!in_system_call(context))
			atomic_fetch_add(&restless, 1);
		if (__builtin_setjmp(t->resume) != 0) {
			adopt_thread();
			atomic_fetch_add(&restored, 1);
			futex(&restored, FUTEX_WAKE_PRIVATE, INT_MAX);
			wait_until_set(&go);
			return;
		}
	}
	atomic_fetch_add(&ready, 1);
	futex(&ready, FUTEX_WAKE_PRIVATE, INT_MAX);
	wait_until_set(&released);
	atomic_fetch_sub(&ready, 1);
}

static void on_catch(int signal, siginfo_t *info, void *context)
{
	if (info->si_code != SI_TKILL) {
		/* A real one: again, and it kills. */
		struct sigaction fatal = {.sa_handler = SIG_DFL};
		sigaction(signal, &fatal, NULL);
		return;
	}
	int error = errno;
	be_caught(context);
	errno = error;
}

/* Signals every other thread. Gives how many there are, or -1. */
static int signal_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	if (tasks == NULL)
		return -1;
	int count = 0;
	pid_t self = (pid_t)syscall(SYS_gettid), pid = getpid();
	for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
		pid_t tid = atoi(entry->d_name);
		if (tid > 0 && tid != self && syscall(SYS_tgkill, pid, tid, CATCH_SIGNAL) == 0)
			count++;
	}
	closedir(tasks);
	return count;
}

static void release_threads(uint64_t until)
{
	set(&released);
	while (atomic_load(&ready) > 0 && now_ms() < until)
		sched_yield();
}

/* All other threads stand still in a system call. Gives how many, or a negative errno. */
static int catch_threads(void)
{
	uint64_t until = now_ms() + PATIENCE_MS;
	for (;;) {
		atomic_store(&arrived, 0);
		atomic_store(&ready, 0);
		atomic_store(&restless, 0);
		atomic_store(&released, 0);
		atomic_store(&restored, 0);
		atomic_store(&go, 0);
		int count = signal_threads();
		while (count >= 0 && atomic_load(&ready) < count && now_ms() < until)
			sched_yield();
		if (count >= 0 && count <= MOST_THREADS && atomic_load(&ready) == count && atomic_load(&restless) == 0)
			return count;
		release_threads(until);
		if (now_ms() >= until || count < 0 || count > MOST_THREADS)
			return -EBUSY;
		usleep(500);
	}
}

/* ---- the child ---- */

static __attribute__((noinline, noreturn, used)) void resume_thread(struct caught *t)
{
	__builtin_longjmp(t->resume, 1);
}

/* A thread in place of a caught one: below its handler's frame, then in it. */
static int restore_thread(struct caught *t)
{
	uintptr_t stack = (t->stack - 4096) & ~(uintptr_t)15;
	unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
			      CLONE_CHILD_CLEARTID;
	register long result __asm__("rax") = SYS_clone;
	register unsigned long a __asm__("rdi") = flags;
	register uintptr_t b __asm__("rsi") = stack;
	register pid_t *c __asm__("rdx") = tid_of(t->tls);
	register pid_t *d __asm__("r10") = tid_of(t->tls);
	register uintptr_t e __asm__("r8") = t->tls;
	register struct caught *self __asm__("r12") = t;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "mov %%r12, %%rdi\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "call resume_thread\n\t"
			 "1:"
			 : "+r"(result)
			 : "r"(a), "r"(b), "r"(c), "r"(d), "r"(e), "r"(self)
			 : "rcx", "r11", "memory", "cc");
	return result < 0 ? (int)result : 0;
}

static int put(int fd, int place, int flags)
{
	return dup3(fd, place, flags) < 0 ? -errno : 0;
}

/* A mount namespace of the child's own, like the parent's; the folder it exports is opened anew, so as to be in there. */
static int replace_shares(int fd, int given)
{
	char path[64], target[PATH_MAX];
	snprintf(path, sizeof path, "/proc/self/fd/%d", given);
	ssize_t length = readlink(path, target, sizeof target - 1);
	if (length < 0)
		return -errno;
	target[length] = 0;
	int folder = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = folder < 0 ? -errno : put(folder, fd, O_CLOEXEC);
	close(folder);
	return error;
}

/* Eventfds would wake the parent, and the file of the writable layer is the parent's: both under the numbers QEMU knows. */
static int replace_descriptors(const int *given)
{
	DIR *fds = unshare(CLONE_NEWNS) < 0 ? NULL : opendir("/proc/self/fd");
	if (fds == NULL)
		return -errno;
	int error = 0;
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
		} else if (strcmp(target, shares_path) == 0) {
			error = replace_shares(fd, given[SHARES]);
		}
	}
	closedir(fds);
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
	*tid_of(thread_pointer()) = (pid_t)syscall(SYS_gettid);
	int error = replace_descriptors(given);
	if (error != 0)
		fail("descriptors", error);
	if (name_on_command_line != NULL && strlen(request->name) == strlen(name_on_command_line))
		strcpy(name_on_command_line, request->name);
	if ((error = close_sandbox()) != 0)
		fail("sandbox", error);
	for (int i = 0; i < count; i++)
		if ((error = restore_thread(&threads[i])) != 0)
			fail("threads", error);
	while (atomic_load(&restored) < count)
		sched_yield();
	set(&go);

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
	int count = qemu.running() ? -EBUSY : catch_threads();
	if (count >= 0) {
		long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		if (pid == 0) {
			be_child(&request, given, count);
			return 1;
		}
		answer = pid < 0 ? -errno : (int32_t)pid;
		release_threads(now_ms() + PATIENCE_MS);
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
	const char *fd = getenv("BERTH_FORK"), *scratch = getenv("BERTH_SCRATCH"), *shares = getenv("BERTH_SHARES");
	if (fd == NULL || scratch == NULL || shares == NULL || strlen(scratch) >= sizeof scratch_path || strlen(shares) >= sizeof shares_path)
		return;
	strcpy(scratch_path, scratch);
	strcpy(shares_path, shares);
	if (argc > 2 && strcmp(argv[1], "-name") == 0)
		name_on_command_line = argv[2];
	pid_t tid = (pid_t)syscall(SYS_gettid);
	for (size_t offset = 0x200; offset < 0x500; offset += sizeof(pid_t))
		if (*(pid_t *)(thread_pointer() + offset) == tid) {
			tid_offset = offset;
			break;
		}
	*(void **)&qemu.running = function("runstate_is_running", "runstate_is_running");
	*(void **)&qemu.start = function("vm_start", "vm_start");
	*(void **)&qemu.lock = function("qemu_mutex_lock_iothread_impl", "bql_lock_impl");
	*(void **)&qemu.unlock = function("qemu_mutex_unlock_iothread", "bql_unlock");
	if (tid_offset == 0 || qemu.running == NULL || qemu.start == NULL || qemu.lock == NULL || qemu.unlock == NULL) {
		/* Nobody answers: the daemon does without. */
		close(atoi(fd));
		return;
	}
	struct sigaction action = {.sa_sigaction = on_catch, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigfillset(&action.sa_mask);
	sigaction(CATCH_SIGNAL, &action, NULL);
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

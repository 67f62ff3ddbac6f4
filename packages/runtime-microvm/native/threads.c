/*
 * The threads of a process that is copied: caught before, made again after. Each gets a signal, whose handler notes where
 * the thread is and waits. In the copy a thread is started in place of each, on the same stack and thread-local storage: it
 * goes on inside the handler, and by returning from it inside the system call that was interrupted, which begins again.
 */
#define _GNU_SOURCE
#include "threads.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* One of the few that QEMU's threads leave unblocked. */
#define CATCH_SIGNAL SIGFPE
#define MOST_THREADS 64
#define PATIENCE_MS 2000

struct caught {
	void *resume[5]; /* __builtin_setjmp */
	uintptr_t tls, stack;
};

static struct caught threads[MOST_THREADS];
static _Atomic int arrived, ready, restless, released, restored, go;
static size_t tid_offset; /* of the thread id in glibc's struct pthread, which the thread pointer points to */

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

static void release_until(uint64_t until)
{
	set(&released);
	while (atomic_load(&ready) > 0 && now_ms() < until)
		sched_yield();
}

/* All other threads stand still in a system call. Gives how many, or a negative errno. */
int threads_catch(void)
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
		release_until(until);
		if (now_ms() >= until || count < 0 || count > MOST_THREADS)
			return -EBUSY;
		usleep(500);
	}
}

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

void threads_release(void)
{
	release_until(now_ms() + PATIENCE_MS);
}

int threads_restore(int count)
{
	*tid_of(thread_pointer()) = (pid_t)syscall(SYS_gettid);
	for (int i = 0; i < count; i++) {
		int error = restore_thread(&threads[i]);
		if (error != 0)
			return error;
	}
	while (atomic_load(&restored) < count)
		sched_yield();
	set(&go);
	return 0;
}

bool threads_prepare(void)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);
	for (size_t offset = 0x200; tid_offset == 0 && offset < 0x500; offset += sizeof(pid_t))
		if (*(pid_t *)(thread_pointer() + offset) == tid)
			tid_offset = offset;
	struct sigaction action = {.sa_sigaction = on_catch, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigfillset(&action.sa_mask);
	return tid_offset != 0 && sigaction(CATCH_SIGNAL, &action, NULL) == 0;
}

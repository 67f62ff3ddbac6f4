/* A request for files: forks the worker, and puts it where it can reach the container's files and nothing else. */
#include "archive.h"
#include "container.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OPERATION_STAT = 1, OPERATION_READ, OPERATION_WRITE, OPERATION_CHANGES, OPERATION_LAYER };
enum { FLAG_MANAGED = 1, FLAG_KEEP_KINDS = 2, FLAG_OWNER = 4 };

struct request {
	uint8_t operation;
	uint8_t flags;
	const char *path;
	const char *user;
	int spool; /* -1: there is none */
};

static const char *const managed[] = {"hosts", "resolv.conf", "hostname"};

/* Shows the managed files where the container's processes see them; in this mount namespace, so that they can't be replaced. */
static void place_managed(const int *trees)
{
	for (size_t i = 0; i < sizeof managed / sizeof *managed; i++) {
		char path[32];
		snprintf(path, sizeof path, "/etc/%s", managed[i]);
		int fd = trees[i] < 0 ? -1 : open(path, O_PATH | O_CLOEXEC);
		if (fd < 0)
			continue;
		syscall(SYS_move_mount, trees[i], "", fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
		close(fd);
	}
}

static int enter_root(const struct request *request, struct fault *fault)
{
	int trees[] = {-1, -1, -1};
	bool shows_managed = !agent.host && (request->flags & FLAG_MANAGED) && agent.phase >= PHASE_RUNNING;
	for (size_t i = 0; i < sizeof managed / sizeof *managed && shows_managed; i++) {
		char path[32];
		snprintf(path, sizeof path, FILES_DIR "/%s", managed[i]);
		trees[i] = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	}
	/* While it runs, the container's first process has them. */
	bool shows_volumes = !agent.host && (request->flags & FLAG_MANAGED) && (agent.phase < PHASE_RUNNING || container_pidfd >= 0);
	if (shows_volumes && volumes_take(fault) < 0)
		return -1;
	const char *root = agent.host ? agent.root : ROOT_DIR;
	if (chdir(root) < 0 || chroot(".") < 0)
		return fault_set(fault, "internal", "entering the root: %s", error_text(errno));
	place_managed(trees);
	if (shows_volumes && volumes_show(fault) < 0)
		return -1;
	for (size_t i = 0; i < sizeof trees / sizeof *trees; i++)
		if (trees[i] >= 0)
			close(trees[i]);
	return 0;
}

static int see_changes(bool contents, struct fault *fault)
{
	if (agent.host)
		return fault_set(fault, "unsupported", "changes are known of a virtual machine only");
	int lower = mounts_lower(fault);
	int upper = open(UPPER_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (upper < 0)
		return fault_set(fault, "internal", "opening the writable layer: %s", error_text(errno));
	if (lower == -2)
		return -1;
	return archive_changes(upper, lower, contents, fault);
}

static int perform(const struct request *request, struct fault *fault)
{
	if (unshare(CLONE_NEWNS) < 0)
		return fault_set(fault, "internal", "mount namespace: %s", error_text(errno));
	if (request->operation == OPERATION_CHANGES || request->operation == OPERATION_LAYER)
		return see_changes(request->operation == OPERATION_LAYER, fault);
	if (enter_root(request, fault) < 0)
		return -1;
	struct identity owner;
	const struct strings none = {0};
	switch (request->operation) {
	case OPERATION_STAT:
		return archive_stat(request->path, fault);
	case OPERATION_READ:
		return archive_read(request->path, fault);
	default:
		if ((request->flags & FLAG_OWNER) && user_resolve(request->user, &none, &owner, fault) < 0)
			return -1;
		return archive_write(request->path, request->flags & FLAG_KEEP_KINDS, request->flags & FLAG_OWNER ? &owner : NULL, fault);
	}
}

_Noreturn static void work(const struct request *request, const struct child_ends *ends)
{
	struct fault fault = {0};
	int32_t pid = getpid();
	if (child_take_stdio(ends, false) < 0 || write(ends->status, &pid, sizeof pid) != sizeof pid)
		_exit(125);
	/* The status pipe goes with all the rest: the agent's line and the descriptors of its other children. */
	/* Two are kept: the spool, and the container's first process while it runs. */
	int first = agent.phase == PHASE_RUNNING && container_pidfd >= 0 ? fcntl(container_pidfd, F_DUPFD_CLOEXEC, 5) : -1;
	int spool = request->spool < 0 ? -1 : dup2(request->spool, 3);
	container_pidfd = first < 0 ? -1 : dup2(first, 4);
	close_range(5, ~0u, 0);
	if (spool < 0)
		close(3);
	if (container_pidfd < 0)
		close(4);
	records_use_spool(spool);
	umask(0);
	/* A level of a directory takes a descriptor. */
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){65536, 65536});
	if (!agent.host)
		file_write("/proc/self/oom_score_adj", "500");
	int result = perform(request, &fault);
	records_flush();
	if (result == 0)
		_exit(0);
	struct writer w = {0};
	write_string(&w, fault.code);
	write_string(&w, fault.message);
	_exit(write(2, w.data, w.used) < 0 ? 125 : 1);
}

/* Opens the disk that stands so many places before the writable layer, for one worker at a time. */
static int spool_open(uint32_t back, struct fault *fault)
{
	char name[16], path[32];
	process_end_workers();
	if (device_bind(VIRTIO_BLOCK, agent.scratch - back, name, sizeof name, fault) < 0)
		return -1;
	snprintf(path, sizeof path, "/dev/%s", name);
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	return fd >= 0 ? fd : fault_set(fault, "internal", "opening the spool: %s", error_text(errno));
}

int archive_start(uint32_t number, struct reader *body, struct fault *fault)
{
	uint32_t id = read_u32(body);
	struct request request = {.operation = read_u8(body), .flags = read_u8(body)};
	request.path = read_string(body);
	request.user = read_string(body);
	uint32_t spool = read_u32(body);
	request.spool = -1;
	if (body->bad || request.operation < OPERATION_STAT || request.operation > OPERATION_LAYER)
		return fault_set(fault, "internal", "files: malformed request");
	if (!agent.host && (agent.phase < PHASE_PREPARED || agent.rehearsing))
		return fault_set(fault, "wrong-phase", "there are no files yet");
	struct process *p = id == 0 || process_find(id) != NULL ? NULL : process_new(id);
	if (p == NULL)
		return fault_set(fault, "internal", "files: the id is taken, or memory is");
	p->request = number;
	p->worker = true;
	struct child_ends ends;
	const struct process_spec streams = {.stdin_open = request.operation == OPERATION_WRITE || spool != 0};
	if (spool != 0 && (request.spool = spool_open(spool, fault)) < 0) {
		process_free(p);
		return -1;
	}
	if (process_plumb(p, &streams, -1, &ends, fault) < 0) {
		process_free(p);
		if (request.spool >= 0)
			close(request.spool);
		return -1;
	}
	fcntl(p->output.fd, F_SETPIPE_SZ, 256 << 10);
	if (request.operation == OPERATION_WRITE)
		process_input_widen(p);
	p->pid = container_fork_outside();
	if (p->pid == 0)
		work(&request, &ends);
	int error = errno;
	child_ends_close(&ends);
	if (request.spool >= 0)
		close(request.spool);
	if (p->pid < 0) {
		process_free(p);
		return fault_set(fault, "internal", "fork: %s", error_text(error));
	}
	return 0;
}

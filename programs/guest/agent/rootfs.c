/* The inside of a container's mount namespace: kernel file systems, devices, masked paths, the files Docker manages. */
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The container's /proc/sys before it became read-only: sysctls are written through it. */
static int sysctl_fd = -1;

static const char *const managed[] = {"hosts", "resolv.conf", "hostname"};

int read_start_spec(struct reader *r, struct start_spec *spec)
{
	*spec = (struct start_spec){0};
	spec->hostname = read_string(r);
	spec->domainname = read_string(r);
	spec->hosts = read_string(r);
	spec->resolv_conf = read_string(r);
	spec->hostname_file = read_string(r);
	spec->readonly_root = read_u8(r);
	spec->init = read_u8(r);
	spec->shm_bytes = read_u64(r);
	spec->mount_count = read_u32(r);
	spec->mounts = *r;
	for (uint32_t i = 0; i < spec->mount_count && !r->bad; i++) {
		struct mount_request mount;
		read_mount(r, &mount);
	}
	spec->sysctl_count = read_u32(r);
	spec->sysctls = *r;
	for (uint32_t i = 0; i < spec->sysctl_count && !r->bad; i++) {
		read_string(r);
		read_string(r);
	}
	read_limits(r, &spec->limits);
	spec->nic_count = read_u32(r);
	spec->nics = *r;
	for (uint32_t i = 0; i < spec->nic_count && !r->bad; i++)
		skip_nic(r);
	read_process_spec(r, &spec->process);
	return r->bad ? -1 : 0;
}

/* Puts a detached mount over a file of the root, which is made if it is missing. Links are followed inside the root. */
static int place_file(int tree, const char *path)
{
	int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0 && errno == ENOENT) {
		char parent[64];
		snprintf(parent, sizeof parent, "%s", path);
		*strrchr(parent, '/') = 0;
		directories_make(parent, 0755);
		/* A link that leads nowhere gives way to a file. */
		struct stat info;
		if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode))
			unlink(path);
		fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
	}
	if (fd < 0)
		return -1;
	int result = (int)syscall(SYS_move_mount, tree, "", fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	close(fd);
	return result;
}

static int detached(const char *path)
{
	return (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

static int mount_named(const char *name, const char *type, const char *place, unsigned long flags, const char *options, struct fault *fault)
{
	if (mount(name, place, type, flags, options) == 0)
		return 0;
	if (errno == ENOENT && directories_make(place, 0755) == 0 && mount(name, place, type, flags, options) == 0)
		return 0;
	return fault_set(fault, "mount-failed", "mounting %s at %s: %s", type, place, error_text(errno));
}

static int mount_at(const char *type, const char *place, unsigned long flags, const char *options, struct fault *fault)
{
	return mount_named(type, type, place, flags, options, fault);
}

static void make_devices(void)
{
	static const struct {
		const char *path;
		unsigned major, minor;
	} nodes[] = {{"/dev/null", 1, 3}, {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
	             {"/dev/tty", 5, 0},  {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}};
	static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
	                                       {"/proc/self/fd/0", "/dev/stdin"},
	                                       {"/proc/self/fd/1", "/dev/stdout"},
	                                       {"/proc/self/fd/2", "/dev/stderr"},
	                                       {"/proc/kcore", "/dev/core"},
	                                       {"pts/ptmx", "/dev/ptmx"}};
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor));
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		if (symlink(links[i][0], links[i][1]) < 0)
			continue;
	mkdir("/dev/pts", 0755);
	mkdir("/dev/shm", 01777);
	mkdir("/dev/mqueue", 0755);
}

/* Docker's list: what is hidden, and what may only be read. */
static void mask_paths(void)
{
	static const char *const hidden_files[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/latency_stats",
	                                           "/proc/sched_debug"};
	static const char *const hidden_directories[] = {"/proc/asound", "/proc/acpi", "/proc/scsi", "/sys/firmware",
	                                                 "/sys/devices/virtual/powercap"};
	static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
	for (size_t i = 0; i < sizeof hidden_files / sizeof *hidden_files; i++)
		mount("/dev/null", hidden_files[i], NULL, MS_BIND, NULL);
	for (size_t i = 0; i < sizeof hidden_directories / sizeof *hidden_directories; i++)
		mount("tmpfs", hidden_directories[i], "tmpfs", MS_RDONLY, "size=0");
	for (size_t i = 0; i < sizeof readonly / sizeof *readonly; i++)
		if (mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL) == 0)
			mount(NULL, readonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/* On the host there is no root to build: the agent's own is used, with a /proc that fits the process namespace. */
static int rootfs_borrow(struct fault *fault)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return fault_set(fault, "mount-failed", "making mounts private: %s", error_text(errno));
	return mount_at("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, fault);
}

int rootfs_prepare(struct fault *fault)
{
	if (agent.host)
		return rootfs_borrow(fault);
	const unsigned long quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	if (unshare(CLONE_NEWCGROUP) < 0)
		return fault_set(fault, "internal", "cgroup namespace: %s", error_text(errno));
	file_write("/proc/self/oom_score_adj", "0");
	int trees[3];
	for (size_t i = 0; i < 3; i++) {
		char path[32];
		snprintf(path, sizeof path, FILES_DIR "/%s", managed[i]);
		trees[i] = detached(path);
	}
	int boot_id = detached(FILES_DIR "/boot_id");
	if (chdir(ROOT_DIR) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return fault_set(fault, "mount-failed", "changing the root: %s", error_text(errno));
	boot_trace(" root changed");

	if (mount_at("proc", "/proc", quiet, NULL, fault) < 0 ||
	    mount_at("tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k", fault) < 0 ||
	    mount_at("sysfs", "/sys", quiet | MS_RDONLY, NULL, fault) < 0 ||
	    mount_at("cgroup2", "/sys/fs/cgroup", quiet | MS_RDONLY, NULL, fault) < 0)
		return -1;
	boot_trace(" kernel file systems mounted");
	mode_t mask = umask(0);
	make_devices();
	umask(mask);
	if (mount_at("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5", fault) < 0 ||
	    mount_named("shm", "tmpfs", "/dev/shm", quiet, "mode=1777,size=65536k", fault) < 0 ||
	    mount_at("mqueue", "/dev/mqueue", quiet, NULL, fault) < 0)
		return -1;
	boot_trace(" dev made");
	sysctl_fd = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	mask_paths();
	boot_trace(" paths masked");
	if (boot_id >= 0)
		place_file(boot_id, "/proc/sys/kernel/random/boot_id");
	for (size_t i = 0; i < 3; i++) {
		char path[32];
		snprintf(path, sizeof path, "/etc/%s", managed[i]);
		if (trees[i] < 0 || place_file(trees[i], path) < 0)
			return fault_set(fault, "mount-failed", "mounting %s: %s", path, error_text(errno));
	}
	return 0;
}

static int apply_sysctls(const struct start_spec *spec, struct fault *fault)
{
	struct reader r = spec->sysctls;
	for (uint32_t i = 0; i < spec->sysctl_count; i++) {
		const char *key = read_string(&r), *value = read_string(&r);
		char path[256];
		snprintf(path, sizeof path, "%s", key);
		for (char *p = path; *p; p++)
			if (*p == '.')
				*p = '/';
		if (strstr(path, "../") != NULL || *path == '/')
			return fault_set(fault, "sysctl-invalid", "invalid sysctl '%s'", key);
		int fd = openat(sysctl_fd, path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return fault_set(fault, "sysctl-invalid", "open /proc/sys/%s: %s", path, error_text(errno));
		size_t length = strlen(value);
		if (write(fd, value, length) != (ssize_t)length) {
			int error = errno;
			close(fd);
			return fault_set(fault, "sysctl-invalid", "write /proc/sys/%s: %s", path, error_text(error));
		}
		close(fd);
	}
	return 0;
}

/* The terminal also appears as /dev/console, as Docker has it. */
static void place_console(void)
{
	char terminal[64];
	ssize_t length = readlink("/proc/self/fd/0", terminal, sizeof terminal - 1);
	if (length <= 0)
		return;
	terminal[length] = 0;
	int fd = open("/dev/console", O_CREAT | O_WRONLY | O_CLOEXEC | O_NOCTTY, 0666);
	if (fd >= 0)
		close(fd);
	mount(terminal, "/dev/console", NULL, MS_BIND, NULL);
}

void child_steal_terminal(void)
{
	ioctl(0, TIOCSCTTY, 1);
}

int rootfs_finish(const struct start_spec *spec, struct fault *fault)
{
	if (agent.host)
		return volumes_borrow(spec, fault);
	if (sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return fault_set(fault, "internal", "sethostname: %s", error_text(errno));
	if (*spec->domainname != 0 && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
		return fault_set(fault, "internal", "setdomainname: %s", error_text(errno));
	if (apply_sysctls(spec, fault) < 0)
		return -1;
	close(sysctl_fd);
	if (spec->shm_bytes != 0 && spec->shm_bytes != 64u << 20) {
		char options[64];
		snprintf(options, sizeof options, "mode=1777,size=%llu", (unsigned long long)spec->shm_bytes);
		if (mount(NULL, "/dev/shm", NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
			return fault_set(fault, "mount-failed", "resizing /dev/shm: %s", error_text(errno));
	}
	if (volumes_mount(spec, fault) < 0)
		return -1;
	if (spec->process.terminal)
		place_console();
	if (spec->readonly_root) {
		/* The working directory is made first: afterwards nothing can be. */
		directories_make(spec->process.cwd, 0755);
		if (mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
			return fault_set(fault, "mount-failed", "making the root read-only: %s", error_text(errno));
	}
	return 0;
}

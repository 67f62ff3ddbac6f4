/*
 * What a container has mounted below its root: tmpfs, directories and files of the host over 9p, and file systems on block
 * devices of their own. Runs in the container's first process, in its mount namespace, before the command is executed;
 * only binding devices needs the agent, whose /sys can be written.
 *
 * All of the host's directories come through one device: the host composes below one folder what this machine may see,
 * each under a name of its own. The folder is mounted at a hidden place, what is wanted of it is taken as detached trees,
 * and the place is given up again.
 */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PLACE "/dev/.berth"
#define SHARES PLACE "/shares"
#define SOCKETS PLACE "/sockets"
#define MOUNTS_MAX 256
/* Reads and writes go to the host each time, so containers see each other's; only what is mapped is kept in memory. */
#define SHARES_OPTIONS "trans=virtio,version=9p2000.L,msize=512000,cache=mmap"

void read_mount(struct reader *r, struct mount_request *mount)
{
	mount->kind = read_u8(r);
	mount->target = read_string(r);
	mount->options = read_strings(r);
	mount->source = read_string(r);
	/* Disks stand before the writable layer, and are counted from there. */
	mount->device = agent.scratch - read_u32(r);
	uint8_t flags = read_u8(r);
	mount->readonly = flags & 1;
	mount->copy = flags & 2;
}

int volumes_bind(const struct start_spec *spec, struct fault *fault)
{
	struct reader r = spec->mounts;
	for (uint32_t i = 0; i < spec->mount_count; i++) {
		struct mount_request mount;
		char name[16];
		read_mount(&r, &mount);
		if (mount.kind == MOUNT_SHARE && device_bind_shares(fault) < 0)
			return -1;
		if (mount.kind == MOUNT_BLOCK && device_bind(VIRTIO_BLOCK, mount.device, name, sizeof name, fault) < 0)
			return -1;
	}
	return 0;
}

static int mount_tmpfs(const char *target, const struct strings *options, struct fault *fault)
{
	static const struct {
		const char *word;
		unsigned long set, clear;
	} words[] = {{"ro", MS_RDONLY, 0},       {"rw", 0, MS_RDONLY},         {"noexec", MS_NOEXEC, 0}, {"exec", 0, MS_NOEXEC},
	             {"nosuid", MS_NOSUID, 0},   {"suid", 0, MS_NOSUID},       {"nodev", MS_NODEV, 0},   {"dev", 0, MS_NODEV},
	             {"noatime", MS_NOATIME, 0}, {"relatime", MS_RELATIME, 0}, {"defaults", 0, 0},       {"async", 0, 0},
	             {"sync", MS_SYNCHRONOUS, 0}, {"strictatime", MS_STRICTATIME, 0}};
	unsigned long flags = MS_NOEXEC | MS_NOSUID | MS_NODEV;
	char data[512];
	size_t used = 0;
	data[0] = 0;
	struct reader r = {options->at, options->end, false};
	for (uint32_t i = 0; i < options->count; i++) {
		const char *option = read_string(&r);
		size_t known = 0;
		while (known < sizeof words / sizeof *words && strcmp(words[known].word, option) != 0)
			known++;
		if (known < sizeof words / sizeof *words) {
			flags = (flags & ~words[known].clear) | words[known].set;
		} else if (*option != 0 && used + strlen(option) + 2 < sizeof data) {
			used += (size_t)snprintf(data + used, sizeof data - used, "%s%s", used > 0 ? "," : "", option);
		}
	}
	if (directories_make(target, 0755) < 0 && errno != EROFS)
		return fault_set(fault, "mount-failed", "mkdir %s: %s", target, error_text(errno));
	if (mount("tmpfs", target, "tmpfs", flags, data) < 0)
		return fault_set(fault, "mount-failed", "mounting tmpfs at %s: %s", target, error_text(errno));
	return 0;
}

static int tree_of(int fd, const char *path)
{
	return (int)syscall(SYS_open_tree, fd, path, AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

int shares_mount(struct fault *fault)
{
	mkdir(PLACE, 0700);
	if (mkdir(SHARES, 0700) == 0 && mount("berth", SHARES, "9p", 0, SHARES_OPTIONS) == 0)
		return 0;
	return fault_set(fault, "mount-failed", "mounting the host's directories: %s", error_text(errno));
}

int share_tree(const struct mount_request *mount_, struct fault *fault)
{
	char path[64];
	snprintf(path, sizeof path, SHARES "/%s", mount_->source);
	int tree = tree_of(AT_FDCWD, path);
	return tree >= 0 ? tree : fault_set(fault, "mount-failed", "mounting %s: %s", mount_->target, error_text(errno));
}

/* The data of a volume on a disk: a directory below its root, so that lost+found is not seen; or something in there. */
static int block_tree(const struct mount_request *mount_, struct fault *fault)
{
	char name[16], path[64], text[32], place[48], data[56];
	unsigned major, minor;
	if (device_bind(VIRTIO_BLOCK, mount_->device, name, sizeof name, fault) < 0)
		return -1;
	snprintf(path, sizeof path, "/sys/class/block/%s/dev", name);
	snprintf(place, sizeof place, PLACE "/%u", mount_->device);
	snprintf(data, sizeof data, "%s/data", place);
	if (mkdir(place, 0700) == 0) {
		if (file_read(path, text, sizeof text) <= 0 || sscanf(text, "%u:%u", &major, &minor) != 2)
			return fault_set(fault, "mount-failed", "the disk of %s has no number", mount_->target);
		/* By this name df will know it; what has it open needs it no more. */
		snprintf(path, sizeof path, "/dev/%s", name);
		if (mknod(path, S_IFBLK | 0600, makedev(major, minor)) < 0 || mount(path, place, "ext4", MS_NOATIME, NULL) < 0)
			return fault_set(fault, "mount-failed", "mounting the disk of %s: %s", mount_->target, error_text(errno));
		mkdir(data, 0755);
	}
	int from = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (from >= 0 && *mount_->source != 0) {
		/* What is in a volume was put there by a container: no link may lead out of it. */
		struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};
		int inside = (int)syscall(SYS_openat2, from, mount_->source, &how, sizeof how);
		int error = errno;
		close(from);
		errno = error;
		from = inside;
	}
	int tree = from < 0 ? -1 : tree_of(from, "");
	int error = errno;
	if (from >= 0)
		close(from);
	return tree >= 0 ? tree : fault_set(fault, "mount-failed", "cannot access %s in the volume for %s: %s", mount_->source, mount_->target, error_text(error));
}

/* A socket of the host: a file of a file system that nothing else is in. */
static int socket_tree(const struct mount_request *mount_, int socket, uint32_t number, struct fault *fault)
{
	char path[48];
	snprintf(path, sizeof path, SOCKETS "/%u", number);
	if (number == 0 && (mkdir(SOCKETS, 0700) < 0 || mount("tmpfs", SOCKETS, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=755") < 0))
		return fault_set(fault, "mount-failed", "mounting a place for sockets: %s", error_text(errno));
	int tree = relay_bind(socket, path, mount_->source) < 0 ? -1 : tree_of(AT_FDCWD, path);
	return tree >= 0 ? tree : fault_set(fault, "mount-failed", "listening at %s: %s", mount_->target, error_text(errno));
}

int volumes_borrow(const struct start_spec *spec, struct fault *fault)
{
	struct reader r = spec->mounts;
	uint32_t sockets = 0;
	for (uint32_t i = 0; i < spec->mount_count; i++) {
		struct mount_request mount;
		read_mount(&r, &mount);
		if (mount.kind == MOUNT_SOCKET && relay_bind(spec->sockets[sockets++], mount.target, mount.source) < 0)
			return fault_set(fault, "mount-failed", "listening at %s: %s", mount.target, error_text(errno));
	}
	return 0;
}

/* Gives up the hidden places; the trees taken from them stay. */
static void places_leave(const struct start_spec *spec)
{
	struct reader r = spec->mounts;
	for (uint32_t i = 0; i < spec->mount_count; i++) {
		struct mount_request mount;
		char path[48], name[16];
		struct fault ignored;
		read_mount(&r, &mount);
		if (mount.kind != MOUNT_BLOCK)
			continue;
		snprintf(path, sizeof path, PLACE "/%u", mount.device);
		umount2(path, MNT_DETACH);
		rmdir(path);
		if (device_bind(VIRTIO_BLOCK, mount.device, name, sizeof name, &ignored) == 0) {
			snprintf(path, sizeof path, "/dev/%s", name);
			unlink(path);
		}
	}
	umount2(SHARES, MNT_DETACH);
	rmdir(SHARES);
	umount2(SOCKETS, MNT_DETACH);
	rmdir(SOCKETS);
	rmdir(PLACE);
}

static int place_tree(int tree, const char *target, struct fault *fault)
{
	struct stat info;
	int result = fstat(tree, &info);
	if (result == 0 && S_ISDIR(info.st_mode)) {
		result = directories_make(target, 0755);
	} else if (result == 0) {
		char parent[4096];
		snprintf(parent, sizeof parent, "%s", target);
		char *slash = strrchr(parent, '/');
		if (slash != NULL && slash != parent) {
			*slash = 0;
			directories_make(parent, 0755);
		}
		int fd = open(target, O_CREAT | O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0755);
		if (fd >= 0)
			close(fd);
		else if (errno == EISDIR)
			result = -1;
	}
	if (result == 0)
		result = (int)syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS);
	if (result == 0)
		return 0;
	const char *hint = errno == ENOTDIR || errno == EISDIR ? ": Are you trying to mount a directory onto a file (or vice-versa)?" : "";
	return fault_set(fault, "mount-failed", "mounting at %s: %s%s", target, error_text(errno), hint);
}

int mount_tree(int tree, const struct mount_request *mount, struct fault *fault)
{
	if (mount->copy && copy_into_empty(mount->target, tree) < 0)
		return fault_set(fault, "mount-failed", "copying the image's %s into the volume: %s", mount->target, error_text(errno));
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
	if (mount->readonly && syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) < 0)
		return fault_set(fault, "mount-failed", "making %s read-only: %s", mount->target, error_text(errno));
	return place_tree(tree, mount->target, fault);
}

int volumes_mount(const struct start_spec *spec, struct fault *fault)
{
	if (spec->mount_count == 0)
		return 0;
	if (spec->mount_count > MOUNTS_MAX)
		return fault_set(fault, "mount-failed", "a container may have up to %d mounts", MOUNTS_MAX);
	int trees[MOUNTS_MAX];
	bool shares_mounted = false;
	uint32_t sockets = 0;
	int result = 0;
	struct reader r = spec->mounts;
	mkdir(PLACE, 0700);
	for (uint32_t i = 0; i < spec->mount_count; i++) {
		struct mount_request mount;
		read_mount(&r, &mount);
		trees[i] = -1;
		if (result < 0 || mount.kind == MOUNT_TMPFS)
			continue;
		if (mount.kind == MOUNT_SOCKET) {
			trees[i] = socket_tree(&mount, spec->sockets[sockets], sockets, fault);
			sockets++;
		} else if (mount.kind == MOUNT_BLOCK) {
			trees[i] = block_tree(&mount, fault);
		} else if (shares_mounted || shares_mount(fault) == 0) {
			shares_mounted = true;
			trees[i] = share_tree(&mount, fault);
		}
		if (trees[i] < 0)
			result = -1;
	}
	places_leave(spec);
	r = spec->mounts;
	for (uint32_t i = 0; i < spec->mount_count; i++) {
		struct mount_request mount;
		read_mount(&r, &mount);
		if (result == 0)
			result = mount.kind == MOUNT_TMPFS ? mount_tmpfs(mount.target, &mount.options, fault) : mount_tree(trees[i], &mount, fault);
		if (trees[i] >= 0)
			close(trees[i]);
	}
	return result;
}

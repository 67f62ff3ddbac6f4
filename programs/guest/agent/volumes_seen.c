/*
 * A container's volumes, as a worker of the agent sees them. While it runs they are taken as trees from the container's mount
 * namespace, which is the only place they are mounted, and put into the worker's own. Before that the agent has the host's
 * directories mounted, at a hidden place, and a worker puts them where they belong.
 */
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where the container was given volumes, parents first. */
static struct {
	char *target;
	int tree;
} *volumes;
static size_t volume_count;

/* The mounts of a container that doesn't run. */
static struct start_spec resting;

void volumes_remember(const struct start_spec *spec)
{
	struct reader r = spec->mounts;
	volumes = calloc(spec->mount_count, sizeof *volumes);
	for (uint32_t i = 0; i < spec->mount_count && volumes != NULL; i++) {
		struct mount_request mount;
		read_mount(&r, &mount);
		if (mount.kind != MOUNT_TMPFS && (volumes[volume_count].target = strdup(mount.target)) != NULL)
			volume_count++;
	}
}

/* The path leads where the container's processes have led it since; only what is a mount is taken. */
static int tree_at(const char *target)
{
	struct statx info;
	int fd = open(target, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int tree = -1;
	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0, &info) == 0 && (info.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		tree = (int)syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	close(fd);
	return tree;
}

int volumes_rest(const uint8_t *body, size_t length, struct fault *fault)
{
	uint8_t *copy = resting.mount_count == 0 ? malloc(length) : NULL;
	if (copy == NULL)
		return fault_set(fault, "internal", "volumes: they are shown already, or memory is out");
	memcpy(copy, body, length);
	struct reader r = {copy, copy + length, false};
	uint32_t count = read_u32(&r);
	struct start_spec spec = {.mount_count = count, .mounts = r};
	struct mount_request mount = {.kind = MOUNT_SHARE};
	for (uint32_t i = 0; i < count && !r.bad && mount.kind == MOUNT_SHARE; i++)
		read_mount(&r, &mount);
	if (r.bad || mount.kind != MOUNT_SHARE || agent.host) {
		free(copy);
		return fault_set(fault, "internal", "volumes: malformed request");
	}
	if (device_bind_shares(fault) < 0 || shares_mount(fault) < 0) {
		free(copy);
		return -1;
	}
	resting = spec;
	return 0;
}

static int resting_take(struct fault *fault)
{
	struct reader r = resting.mounts;
	if ((volumes = calloc(resting.mount_count, sizeof *volumes)) == NULL)
		return fault_set(fault, "internal", "no memory left in the guest");
	for (uint32_t i = 0; i < resting.mount_count; i++) {
		struct mount_request mount;
		read_mount(&r, &mount);
		if ((volumes[i].tree = share_tree(&mount, fault)) < 0)
			return -1;
	}
	return 0;
}

static int resting_show(struct fault *fault)
{
	struct reader r = resting.mounts;
	for (uint32_t i = 0; i < resting.mount_count; i++) {
		struct mount_request mount;
		read_mount(&r, &mount);
		if (mount_tree(volumes[i].tree, &mount, fault) < 0)
			return -1;
		close(volumes[i].tree);
	}
	return 0;
}

int volumes_take(struct fault *fault)
{
	if (resting.mount_count > 0)
		return resting_take(fault);
	if (volume_count == 0)
		return 0;
	int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (own < 0 || setns(container_pidfd, CLONE_NEWNS) < 0)
		return fault_set(fault, "internal", "entering the container's mounts: %s", error_text(errno));
	for (size_t i = 0; i < volume_count; i++)
		volumes[i].tree = tree_at(volumes[i].target);
	if (setns(own, CLONE_NEWNS) < 0)
		return fault_set(fault, "internal", "leaving the container's mounts: %s", error_text(errno));
	close(own);
	close(container_pidfd);
	return 0;
}

int volumes_show(struct fault *fault)
{
	if (resting.mount_count > 0)
		return resting_show(fault);
	for (size_t i = 0; i < volume_count; i++) {
		int fd = volumes[i].tree < 0 ? -1 : open(volumes[i].target, O_PATH | O_CLOEXEC);
		if (fd >= 0 && syscall(SYS_move_mount, volumes[i].tree, "", fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
			return fault_set(fault, "mount-failed", "showing the volume at %s: %s", volumes[i].target, error_text(errno));
		if (fd >= 0)
			close(fd);
		if (volumes[i].tree >= 0)
			close(volumes[i].tree);
	}
	return 0;
}

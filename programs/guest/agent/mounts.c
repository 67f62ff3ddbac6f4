/* Layers, the scratch disk, and the overlay that becomes a container's root. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/blkpg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAYERS_MAX 127
/* What mount(2) takes of options. */
#define OPTIONS_MAX 4096

static bool root_mounted;
static bool scratch_mounted;

/* Gives a part of a disk that several layers share a device of its own, and writes that one's name over the disk's. */
static int part_make(char *device, size_t size, int number, uint64_t offset, uint64_t length)
{
	struct blkpg_partition part = {.start = (long long)offset, .length = (long long)length, .pno = number};
	struct blkpg_ioctl_arg request = {.op = BLKPG_ADD_PARTITION, .datalen = sizeof part, .data = &part};
	int fd = open(device, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int result = ioctl(fd, BLKPG, &request);
	close(fd);
	size_t used = strlen(device);
	snprintf(device + used, size - used, "%d", number);
	return result;
}

int mounts_layers(struct reader *body, struct fault *fault)
{
	/* Of the one disk that is shared. */
	int parts = 0;
	uint32_t count = read_u32(body);
	if (body->bad || count > LAYERS_MAX)
		return fault_set(fault, "mount-failed", "a container may have up to %d layers", LAYERS_MAX);
	if (agent.host)
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = read_u32(body);
		uint64_t offset = read_u64(body), length = read_u64(body);
		if (body->bad)
			return fault_set(fault, "internal", "mountLayers: short body");
		char name[16], device[32], place[16];
		if (device_bind(VIRTIO_BLOCK, index, name, sizeof name, fault) < 0)
			return -1;
		snprintf(device, sizeof device, "/dev/%s", name);
		if (length > 0 && part_make(device, sizeof device, ++parts, offset, length) < 0)
			return fault_set(fault, "mount-failed", "finding layer %u: %s", agent.layers, error_text(errno));
		snprintf(place, sizeof place, "/l/%u", agent.layers);
		mkdir(place, 0755);
		if (mount(device, place, "squashfs", MS_RDONLY | MS_NODEV | MS_NOATIME, NULL) < 0)
			return fault_set(fault, "mount-failed", "mounting layer %u: %s", agent.layers, error_text(errno));
		agent.layers++;
	}
	return 0;
}

/* The overlay over all layers with this writable directory. Short relative names: the option string has one page. */
static int overlay(const char *upper, const char *work, const char *target, struct fault *fault)
{
	char options[OPTIONS_MAX];
	size_t used = (size_t)snprintf(options, sizeof options, "upperdir=%s,workdir=%s,lowerdir=", upper, work);
	if (agent.layers == 0) {
		mkdir("/l/none", 0755);
		used += (size_t)snprintf(options + used, sizeof options - used, "none");
	}
	for (uint32_t i = agent.layers; i-- > 0;)
		used += (size_t)snprintf(options + used, sizeof options - used, "%u%s", i, i > 0 ? ":" : "");
	int result = 0;
	if (chdir("/l") < 0 || mount("overlay", target, "overlay", 0, options) < 0)
		result = fault_set(fault, "mount-failed", "mounting the overlay: %s", error_text(errno));
	if (chdir("/") < 0)
		return -1;
	return result;
}

int mounts_lower(struct fault *fault)
{
	if (agent.layers == 0)
		return -1;
	const char *place = "/l/0";
	if (agent.layers > 1) {
		char options[OPTIONS_MAX] = "lowerdir=";
		size_t used = strlen(options);
		for (uint32_t i = agent.layers; i-- > 0;)
			used += (size_t)snprintf(options + used, sizeof options - used, "%u%s", i, i > 0 ? ":" : "");
		place = "/d";
		mkdir(place, 0700);
		if (chdir("/l") < 0 || mount("overlay", place, "overlay", MS_RDONLY, options) < 0) {
			fault_set(fault, "mount-failed", "mounting the layers: %s", error_text(errno));
			return -2;
		}
	}
	int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		fault_set(fault, "internal", "opening the layers: %s", error_text(errno));
		return -2;
	}
	return fd;
}

int mounts_root(uint32_t scratch_index, struct fault *fault)
{
	if (agent.host)
		return 0;
	char name[16], device[32];
	if (!scratch_mounted) {
		if (device_bind(VIRTIO_BLOCK, scratch_index, name, sizeof name, fault) < 0)
			return -1;
		snprintf(device, sizeof device, "/dev/%s", name);
		boot_trace(" scratch bound");
		if (mount(device, "/s", "ext4", MS_NOATIME, "noinit_itable") < 0)
			return fault_set(fault, errno == ENOSPC ? "disk-full" : "mount-failed", "mounting the writable layer: %s",
			                 error_text(errno));
		scratch_mounted = true;
	}
	boot_trace(" scratch mounted");
	/* Subdirectories, so that lost+found is nobody's business. */
	mkdir(UPPER_DIR, 0755);
	mkdir("/s/w", 0755);
	if (overlay(UPPER_DIR, "/s/w", ROOT_DIR, fault) < 0)
		return -1;
	root_mounted = true;
	return 0;
}

static int rehearsal_disk = -1;

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	(void)info;
	(void)kind;
	(void)where;
	return remove(path);
}

int mounts_rehearsal(struct fault *fault)
{
	if (agent.host)
		return 0;
	struct fault ignored;
	char name[16], device[32];
	rehearsal_disk = device_last_unbound(VIRTIO_BLOCK);
	bool disk = false;
	if (rehearsal_disk >= 0 && device_bind(VIRTIO_BLOCK, (uint32_t)rehearsal_disk, name, sizeof name, &ignored) == 0) {
		snprintf(device, sizeof device, "/dev/%s", name);
		disk = mount(device, "/t", "ext4", MS_NOATIME, "noinit_itable") == 0;
	}
	if (!disk && mount("rehearsal", "/t", "tmpfs", 0, "size=8m") < 0)
		return fault_set(fault, "mount-failed", "mounting the rehearsal: %s", error_text(errno));
	mkdir("/t/ru", 0755);
	mkdir("/t/rw", 0755);
	if (overlay("/t/ru", "/t/rw", ROOT_DIR, fault) < 0) {
		mounts_rehearsal_end();
		return -1;
	}
	return 0;
}

void mounts_rehearsal_end(void)
{
	if (agent.host)
		return;
	umount2(ROOT_DIR, MNT_DETACH);
	/* The disk may be the one a container will write to. */
	nftw("/t/ru", remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	nftw("/t/rw", remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	if (umount2("/t", 0) < 0)
		umount2("/t", MNT_DETACH);
	if (rehearsal_disk >= 0)
		device_unbind(VIRTIO_BLOCK, (uint32_t)rehearsal_disk);
	rehearsal_disk = -1;
}

/* Leaves the scratch disk clean: nothing to replay at the next start. */
void mounts_release(void)
{
	sync();
	if (root_mounted && umount2(ROOT_DIR, 0) < 0)
		umount2(ROOT_DIR, MNT_DETACH);
	if (scratch_mounted && umount2("/s", 0) < 0)
		mount(NULL, "/s", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	root_mounted = scratch_mounted = false;
	sync();
}

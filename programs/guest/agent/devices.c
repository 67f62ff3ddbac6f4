/* Virtio devices by their place on QEMU's command line, bound to their driver only when used. */
#include "agent.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEVICES_MAX 40

struct device {
	char name[24]; /* virtioN */
	unsigned slot; /* of the virtio-mmio transport, in the order of addresses */
};

/*
 * QEMU's microvm gives its transports out from the lowest address up, in the order of the command line (seen with 7.2),
 * and ACPI names them LNRO0005:NN in the order of addresses. So the order of slots is the order of the command line.
 */
/* Names of what is bound: looking them up takes a dozen system calls. */
static char bound[3][DEVICES_MAX][16];

void device_renamed(int kind, uint32_t index, const char *name)
{
	if (index < DEVICES_MAX)
		snprintf(bound[kind][index], sizeof bound[kind][index], "%s", name);
}

void device_renamed_link(const char *old, const char *name)
{
	for (uint32_t i = 0; i < DEVICES_MAX; i++)
		if (strcmp(bound[VIRTIO_NET][i], old) == 0)
			device_renamed(VIRTIO_NET, i, name);
}

static int compare(const void *a, const void *b)
{
	const struct device *x = a, *y = b;
	return x->slot < y->slot ? -1 : x->slot > y->slot ? 1 : 0;
}

static uint32_t devices_list(int kind, struct device *out)
{
	uint32_t count = 0;
	DIR *directory = opendir("/sys/bus/virtio/devices");
	if (directory == NULL)
		return 0;
	for (struct dirent *entry; count < DEVICES_MAX && (entry = readdir(directory)) != NULL;) {
		char path[320], value[32], link[256];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/sys/bus/virtio/devices/%s/device", entry->d_name);
		if (file_read(path, value, sizeof value) <= 0 || strtol(value, NULL, 0) != kind)
			continue;
		snprintf(path, sizeof path, "/sys/bus/virtio/devices/%s", entry->d_name);
		ssize_t length = readlink(path, link, sizeof link - 1);
		if (length <= 0)
			continue;
		link[length] = 0;
		char *place = strstr(link, "LNRO0005:");
		struct device *device = &out[count++];
		snprintf(device->name, sizeof device->name, "%.20s", entry->d_name);
		device->slot = place == NULL ? 0 : (unsigned)strtoul(place + 9, NULL, 16);
	}
	closedir(directory);
	qsort(out, count, sizeof *out, compare);
	return count;
}

void devices_trace(void)
{
	for (int kind = 1; kind < 10; kind++) {
		struct device devices[DEVICES_MAX];
		uint32_t count = devices_list(kind, devices);
		for (uint32_t i = 0; i < count; i++) {
			char line[96];
			snprintf(line, sizeof line, "kind %d index %u is %s in slot %u", kind, i, devices[i].name, devices[i].slot);
			boot_trace(line);
		}
	}
}

uint32_t device_count(int kind)
{
	struct device devices[DEVICES_MAX];
	return devices_list(kind, devices);
}

/* The name of the block device or interface below a bound virtio device. */
static int child_name(const char *virtio, const char *class, char *name, size_t size)
{
	char path[96];
	snprintf(path, sizeof path, "/sys/bus/virtio/devices/%s/%s", virtio, class);
	DIR *directory = opendir(path);
	if (directory == NULL)
		return -1;
	int found = -1;
	for (struct dirent *entry; found < 0 && (entry = readdir(directory)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, size, "%.15s", entry->d_name);
		found = 0;
	}
	closedir(directory);
	return found;
}

int device_last_unbound(int kind)
{
	struct device devices[DEVICES_MAX];
	uint32_t count = devices_list(kind, devices);
	for (uint32_t i = count; i-- > 0;) {
		char path[64];
		snprintf(path, sizeof path, "/sys/bus/virtio/devices/%s/driver", devices[i].name);
		if (access(path, F_OK) < 0)
			return (int)i;
	}
	return -1;
}

void device_unbind(int kind, uint32_t index)
{
	struct device devices[DEVICES_MAX];
	char path[96];
	if (index >= devices_list(kind, devices))
		return;
	device_renamed(kind, index, "");
	snprintf(path, sizeof path, "/sys/bus/virtio/drivers/%s/unbind", kind == VIRTIO_BLOCK ? "virtio_blk" : "virtio_net");
	file_write(path, devices[index].name);
}

int device_bind(int kind, uint32_t index, char *name, size_t size, struct fault *fault)
{
	if (index < DEVICES_MAX && bound[kind][index][0] != 0) {
		snprintf(name, size, "%s", bound[kind][index]);
		return 0;
	}
	const char *driver = kind == VIRTIO_BLOCK ? "virtio_blk" : "virtio_net";
	const char *class = kind == VIRTIO_BLOCK ? "block" : "net";
	struct device devices[DEVICES_MAX];
	uint32_t count = devices_list(kind, devices);
	if (index >= count)
		return fault_set(fault, "device-missing", "the guest has no %s device %u, only %u", class, index, count);
	const char *virtio = devices[index].name;
	if (child_name(virtio, class, name, size) == 0) {
		device_renamed(kind, index, name);
		return 0;
	}
	char path[96];
	snprintf(path, sizeof path, "/sys/bus/virtio/drivers/%s/bind", driver);
	if (file_write(path, virtio) < 0)
		return fault_set(fault, "device-missing", "binding %s to %s: %s", virtio, driver, error_text(errno));
	if (child_name(virtio, class, name, size) < 0)
		return fault_set(fault, "device-missing", "%s has no %s device", virtio, class);
	device_renamed(kind, index, name);
	return 0;
}

int device_bind_shares(struct fault *fault)
{
	struct device devices[DEVICES_MAX];
	char path[64];
	if (devices_list(VIRTIO_9P, devices) == 0)
		return fault_set(fault, "device-missing", "this machine has no device for the host's directories");
	snprintf(path, sizeof path, "/sys/bus/virtio/devices/%s/driver", devices[0].name);
	if (access(path, F_OK) == 0)
		return 0;
	if (file_write("/sys/bus/virtio/drivers/9pnet_virtio/bind", devices[0].name) < 0)
		return fault_set(fault, "device-missing", "binding %s to 9pnet_virtio: %s", devices[0].name, error_text(errno));
	return 0;
}

/* What makes a clone itself: randomness, time, ids. Before any tenant's code. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static int add_entropy(const struct bytes *entropy, struct fault *fault)
{
	struct {
		struct rand_pool_info info;
		uint8_t data[512];
	} pool = {.info = {.entropy_count = (int)entropy->length * 8, .buf_size = (int)entropy->length}};
	memcpy(pool.info.buf, entropy->data, entropy->length);
	int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fault_set(fault, "internal", "random: %s", error_text(errno));
	int result = ioctl(fd, RNDADDENTROPY, &pool);
	if (result == 0)
		result = ioctl(fd, RNDRESEEDCRNG);
	int error = errno;
	close(fd);
	explicit_bzero(&pool, sizeof pool);
	return result == 0 ? 0 : fault_set(fault, "internal", "reseeding: %s", error_text(error));
}

int personalise(struct reader *body, struct fault *fault)
{
	struct bytes entropy = read_bytes(body);
	uint64_t time_ns = read_u64(body);
	const char *machine_id = read_string(body), *boot_id = read_string(body);
	if (body->bad || entropy.length < 32 || entropy.length > 512)
		return fault_set(fault, "internal", "personalise: needs 32 to 512 bytes of entropy");
	if (agent.host)
		return 0;
	if (add_entropy(&entropy, fault) < 0)
		return -1;
	struct timespec time = {.tv_sec = (time_t)(time_ns / 1000000000u), .tv_nsec = (long)(time_ns % 1000000000u)};
	if (clock_settime(CLOCK_REALTIME, &time) < 0)
		return fault_set(fault, "internal", "setting the clock: %s", error_text(errno));
	char line[80];
	int fd = open("/etc/machine-id", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0444);
	int length = snprintf(line, sizeof line, "%s\n", machine_id);
	if (fd < 0 || write(fd, line, (size_t)length) != length)
		return fault_set(fault, "internal", "machine-id: %s", error_text(errno));
	close(fd);
	snprintf(line, sizeof line, "%s\n", boot_id);
	if (files_write("boot_id", line, fault) < 0)
		return -1;
	network_flush_neighbours();
	return 0;
}

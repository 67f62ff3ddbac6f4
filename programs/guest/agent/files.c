/* Reading and writing small files: sysfs, cgroups, and the three files Docker manages. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

ssize_t file_read(const char *path, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	size_t used = 0;
	while (used < size - 1) {
		ssize_t got = read(fd, buffer + used, size - 1 - used);
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	close(fd);
	buffer[used] = 0;
	return (ssize_t)used;
}

int file_write_at(int dir, const char *path, const void *data, size_t length)
{
	int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t put = write(fd, data, length);
	int error = errno;
	close(fd);
	errno = error;
	return put == (ssize_t)length ? 0 : -1;
}

int file_write(const char *path, const char *text)
{
	return file_write_at(AT_FDCWD, path, text, strlen(text));
}

/* The file is bind-mounted into the container, so it is rewritten in place and never replaced. */
int files_write(const char *name, const char *content, struct fault *fault)
{
	char path[64];
	snprintf(path, sizeof path, FILES_DIR "/%s", name);
	if (agent.host)
		return 0;
	int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return fault_set(fault, "internal", "open %s: %s", path, error_text(errno));
	size_t length = strlen(content);
	ssize_t put = write(fd, content, length);
	close(fd);
	if (put != (ssize_t)length)
		return fault_set(fault, "internal", "write %s: %s", path, error_text(errno));
	return 0;
}

int directories_make(const char *path, mode_t mode)
{
	char partial[4096];
	size_t length = strlen(path);
	if (length >= sizeof partial) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(partial, path, length + 1);
	for (size_t i = 1; i <= length; i++) {
		if (partial[i] != '/' && partial[i] != 0)
			continue;
		char saved = partial[i];
		partial[i] = 0;
		if (mkdir(partial, mode) < 0 && errno != EEXIST)
			return -1;
		partial[i] = saved;
	}
	struct stat info;
	if (stat(path, &info) < 0)
		return -1;
	if (!S_ISDIR(info.st_mode)) {
		errno = ENOTDIR;
		return -1;
	}
	return 0;
}

uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

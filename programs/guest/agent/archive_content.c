/* The content of a file as records of data and holes. */
#include "archive.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* From so much on it is worth a way of its own. */
#define BULK_LEAST (256 << 10)
#define BULK_ALIGN 4096

/*
 * Much at once, past the memory of the guest's files where the file system can do that. Gives how much; 0 or less: not this
 * way.
 */
static ssize_t put_bulk(int fd, off_t at, off_t end)
{
	size_t length = (size_t)(end - at);
	uint8_t *room = records_bulk_room(&length);
	if (room == NULL)
		return 0;
	int flags = fcntl(fd, F_GETFL);
	bool direct = at % BULK_ALIGN == 0 && fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
	ssize_t got = pread(fd, room, direct ? (length + BULK_ALIGN - 1) / BULK_ALIGN * BULK_ALIGN : length, at);
	if (direct)
		fcntl(fd, F_SETFL, flags);
	if (got > (ssize_t)length)
		got = (ssize_t)length;
	if (got > 0)
		records_put_bulk((size_t)got);
	return got;
}

int archive_content(int fd, const struct stat *st, const char *path, struct fault *fault)
{
	off_t at = 0, size = st->st_size;
	bool sparse = (off_t)st->st_blocks * 512 < size;
	while (at < size) {
		off_t end = size;
		if (sparse) {
			off_t data = lseek(fd, at, SEEK_DATA);
			if (data < 0 && errno == ENXIO)
				data = size;
			if (data < 0 || data > size)
				data = data < 0 ? at : size;
			if (data > at)
				records_put_hole((uint64_t)(data - at));
			at = data;
			end = at < size ? lseek(fd, at, SEEK_HOLE) : size;
			if (end < 0 || end > size)
				end = size;
		}
		while (end - at >= BULK_LEAST) {
			ssize_t got = put_bulk(fd, at, end);
			if (got <= 0)
				break;
			at += got;
		}
		while (at < end) {
			size_t length = (size_t)(end - at);
			uint8_t *room = records_data_room(&length);
			ssize_t got = pread(fd, room, length, at);
			if (got < 0 && errno == EINTR)
				continue;
			if (got < 0)
				return archive_failed(fault, "read", path);
			if (got == 0) {
				records_put_hole((uint64_t)(size - at));
				return 0;
			}
			records_put_data((size_t)got);
			at += got;
		}
	}
	return 0;
}

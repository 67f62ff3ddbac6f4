/* Files as entries. Every step down is by descriptor and follows no link, so what changes meanwhile leads nowhere else. */
#include "archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LINKS_MAX 40

int archive_failed(struct fault *fault, const char *what, const char *path)
{
	const char *code = errno == ENOENT ? "file-not-found" : errno == ENOSPC || errno == EDQUOT ? "disk-full" : errno == EIO ? "internal" : "file-failed";
	return fault_set(fault, code, "%s %s: %s", what, *path == 0 ? "/" : path, error_text(errno));
}

size_t path_extend(struct archive_path *path, const char *name)
{
	size_t before = path->used, length = strlen(name), needed = before + length + 2;
	if (needed > path->capacity) {
		path->capacity = needed * 2;
		path->text = realloc(path->text, path->capacity);
		if (path->text == NULL)
			_exit(2);
	}
	if (before > 0 && length > 0)
		path->text[path->used++] = '/';
	memcpy(path->text + path->used, name, length + 1);
	path->used += length;
	return before;
}

void path_shorten(struct archive_path *path, size_t used)
{
	path->used = used;
	path->text[used] = 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **archive_names(int directory)
{
	int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	if (stream == NULL) {
		if (copy >= 0)
			close(copy);
		return NULL;
	}
	struct writer text = {0};
	size_t count = 0;
	for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		write_raw(&text, entry->d_name, strlen(entry->d_name) + 1);
		count++;
	}
	closedir(stream);
	char **names = text.failed ? NULL : malloc((count + 1) * sizeof *names + text.used);
	if (names == NULL)
		_exit(2);
	char *at = (char *)(names + count + 1);
	if (text.used > 0)
		memcpy(at, text.data, text.used);
	writer_free(&text);
	for (size_t i = 0; i < count; i++, at += strlen(at) + 1)
		names[i] = at;
	names[count] = NULL;
	qsort(names, count, sizeof *names, by_name);
	return names;
}

/* ---- one entry ---- */

static uint8_t kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR: return KIND_DIRECTORY;
	case S_IFLNK: return KIND_SYMLINK;
	case S_IFCHR: return KIND_CHARACTER;
	case S_IFBLK: return KIND_BLOCK;
	case S_IFIFO: return KIND_FIFO;
	case S_IFSOCK: return KIND_SOCKET;
	default: return KIND_FILE;
	}
}

/* Attributes that mean something elsewhere, too: those of users, and capabilities. */
static void write_xattrs(struct writer *w, int fd)
{
	static char names[65536], value[65536];
	struct writer list = {0};
	uint32_t count = 0;
	ssize_t length = fd < 0 ? 0 : flistxattr(fd, names, sizeof names);
	for (char *name = names; length > 0 && name < names + length; name += strlen(name) + 1) {
		if (strncmp(name, "user.", 5) != 0 && strcmp(name, "security.capability") != 0)
			continue;
		ssize_t size = fgetxattr(fd, name, value, sizeof value);
		if (size < 0)
			continue;
		write_string(&list, name);
		write_u32(&list, (uint32_t)size);
		write_raw(&list, value, (size_t)size);
		count++;
	}
	write_u32(w, count);
	write_raw(w, list.data, list.used);
	w->failed |= list.failed;
	writer_free(&list);
}

static void write_entry(struct writer *w, uint8_t kind, const struct stat *st, const char *path, const char *link, int fd)
{
	bool device = kind == KIND_CHARACTER || kind == KIND_BLOCK;
	write_u8(w, kind);
	write_u32(w, st->st_mode & 07777);
	write_u32(w, st->st_uid);
	write_u32(w, st->st_gid);
	write_u64(w, (uint64_t)st->st_size);
	write_u64(w, (uint64_t)st->st_mtim.tv_sec);
	write_u32(w, (uint32_t)st->st_mtim.tv_nsec);
	write_u32(w, device ? major(st->st_rdev) : 0);
	write_u32(w, device ? minor(st->st_rdev) : 0);
	write_string(w, path);
	write_string(w, link);
	write_xattrs(w, fd);
}

static void put_entry(uint8_t kind, const struct stat *st, const char *path, const char *link, int fd)
{
	struct writer w = {0};
	write_entry(&w, kind, st, path, link, fd);
	records_put(TAG_ENTRY, &w);
}

/* Files with several names that have been written: further names become links to the first. */
struct seen {
	dev_t device;
	ino_t inode;
	char *path;
};
static struct seen *seen;
static size_t seen_count, seen_capacity;

static const char *first_name(const struct stat *st, const char *path)
{
	/* Open addressing; never more than half full. */
	if (seen_count * 2 >= seen_capacity) {
		struct seen *old = seen;
		size_t before = seen_capacity;
		seen_capacity = before == 0 ? 256 : before * 2;
		seen = calloc(seen_capacity, sizeof *seen);
		if (seen == NULL)
			_exit(2);
		for (size_t i = 0; i < before; i++) {
			if (old[i].path == NULL)
				continue;
			size_t place = old[i].inode % seen_capacity;
			while (seen[place].path != NULL)
				place = (place + 1) % seen_capacity;
			seen[place] = old[i];
		}
		free(old);
	}
	size_t place = st->st_ino % seen_capacity;
	for (; seen[place].path != NULL; place = (place + 1) % seen_capacity)
		if (seen[place].inode == st->st_ino && seen[place].device == st->st_dev)
			return seen[place].path;
	seen[place] = (struct seen){st->st_dev, st->st_ino, strdup(path)};
	seen_count++;
	return NULL;
}

static int put_file(int parent, const char *name, const char *path, struct fault *fault)
{
	struct stat st;
	int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_NOATIME | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		int error = errno;
		bool opened = fd >= 0;
		if (opened)
			close(fd);
		errno = error;
		/* Replaced or removed since it was listed. */
		return opened || error == ENOENT || error == ELOOP || error == ENXIO ? 0 : archive_failed(fault, "open", path);
	}
	const char *first = st.st_nlink > 1 ? first_name(&st, path) : NULL;
	int result = 0;
	if (first != NULL) {
		put_entry(KIND_HARDLINK, &st, path, first, -1);
	} else {
		put_entry(KIND_FILE, &st, path, "", fd);
		result = archive_content(fd, &st, path, fault);
	}
	close(fd);
	return result;
}

int archive_put(int parent, const char *name, struct archive_path *path, int *directory, struct fault *fault)
{
	struct stat st;
	*directory = -1;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : archive_failed(fault, "lstat", path->text);
	switch (kind_of(st.st_mode)) {
	case KIND_FILE:
		return put_file(parent, name, path->text, fault);
	case KIND_DIRECTORY: {
		int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
		if (fd < 0)
			return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : archive_failed(fault, "open", path->text);
		if (fstat(fd, &st) == 0)
			put_entry(KIND_DIRECTORY, &st, path->text, "", fd);
		*directory = fd;
		return 0;
	}
	case KIND_SYMLINK: {
		char target[PATH_MAX];
		ssize_t length = readlinkat(parent, name, target, sizeof target - 1);
		if (length < 0)
			return 0;
		target[length] = 0;
		put_entry(KIND_SYMLINK, &st, path->text, target, -1);
		return 0;
	}
	case KIND_SOCKET:
		return 0;
	default:
		put_entry(kind_of(st.st_mode), &st, path->text, "", -1);
		return 0;
	}
}

static int walk(int parent, const char *name, struct archive_path *path, struct fault *fault)
{
	int directory;
	if (archive_put(parent, name, path, &directory, fault) < 0)
		return -1;
	if (directory < 0)
		return 0;
	int result = 0;
	char **names = archive_names(directory);
	for (size_t i = 0; names != NULL && names[i] != NULL && result == 0; i++) {
		size_t before = path_extend(path, names[i]);
		result = walk(directory, names[i], path, fault);
		path_shorten(path, before);
	}
	free(names);
	close(directory);
	return result;
}

/* ---- requests ---- */

/* Where a path leads in the end, whether or not that is there. Within the root, since this process has no other. */
static void resolve(const char *path, char *out, size_t size)
{
	char *rest = strdup(path);
	char *const whole = rest;
	char *at = rest;
	size_t used = 0;
	int links = 0;
	out[0] = 0;
	while (at != NULL && *at != 0) {
		size_t length = strcspn(at, "/");
		char *next = at + length + (at[length] == '/');
		if (length == 0 || (length == 1 && at[0] == '.')) {
			at = next;
			continue;
		}
		size_t parent = used;
		if (length == 2 && at[0] == '.' && at[1] == '.') {
			while (used > 0 && out[--used] != '/')
				;
			out[used] = 0;
			at = next;
			continue;
		}
		if (used + length + 2 > size)
			break;
		out[used++] = '/';
		memcpy(out + used, at, length);
		used += length;
		out[used] = 0;
		char target[PATH_MAX];
		ssize_t got = links < LINKS_MAX ? readlink(out, target, sizeof target - 1) : -1;
		if (got > 0) {
			links++;
			target[got] = 0;
			char *joined = malloc((size_t)got + strlen(next) + 2);
			if (joined == NULL)
				break;
			sprintf(joined, "%s/%s", target, next);
			if (rest != whole)
				free(rest);
			rest = joined;
			next = joined;
			used = target[0] == '/' ? 0 : parent;
			out[used] = 0;
		}
		at = next;
	}
	if (rest != whole)
		free(rest);
	free(whole);
	if (used == 0)
		snprintf(out, size, "/");
}

int archive_stat(const char *path, struct fault *fault)
{
	struct stat st;
	char target[PATH_MAX] = "";
	if (lstat(path, &st) < 0)
		return archive_failed(fault, "lstat", path);
	if (S_ISLNK(st.st_mode))
		resolve(path, target, sizeof target);
	struct writer w = {0};
	write_entry(&w, kind_of(st.st_mode), &st, "", target, -1);
	records_put(TAG_STAT, &w);
	return 0;
}

int archive_read(const char *path, struct fault *fault)
{
	if (archive_stat(path, fault) < 0)
		return -1;
	struct archive_path relative = {0};
	path_extend(&relative, "");
	if (walk(AT_FDCWD, path, &relative, fault) < 0)
		return -1;
	struct writer nothing = {0};
	records_put(TAG_END, &nothing);
	return 0;
}

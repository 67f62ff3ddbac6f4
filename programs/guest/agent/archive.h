/*
 * Workers that read and write the files of a container (docs/design/container-files.md). What is declared here runs in a
 * child of the agent, which does one request and ends.
 */
#ifndef BERTH_ARCHIVE_H
#define BERTH_ARCHIVE_H

#include "agent.h"

#include <sys/stat.h>

enum archive_kind { KIND_FILE, KIND_HARDLINK, KIND_SYMLINK, KIND_CHARACTER, KIND_BLOCK, KIND_DIRECTORY, KIND_FIFO, KIND_SOCKET };

/* ---- records ---- */

/* What follows a record's tag: STAT, ENTRY and CHANGE a length and a body, DATA a length and bytes, HOLE a u64. */
enum { TAG_STAT = 'S', TAG_ENTRY = 'E', TAG_DATA = 'D', TAG_HOLE = 'H', TAG_CHANGE = 'C', TAG_END = 'Z' };

/* An entry as it comes from the host; its strings point into `body`. */
struct archive_entry {
	uint8_t *body;
	uint8_t kind;
	uint32_t mode, uid, gid, major, minor;
	uint64_t size;
	struct timespec mtime;
	const char *path;
	const char *link;
	uint32_t xattr_count;
	struct reader xattrs;
};

/* The disk that host and guest share, opened for direct access. */
void records_use_spool(int fd);
void records_put(uint8_t tag, struct writer *body);
void records_put_hole(uint64_t length);
/* Room for a piece of data of at most `*length`, which is shortened; `records_put_data` says how much came there. */
uint8_t *records_data_room(size_t *length);
void records_put_data(size_t length);
/* The same for much: room at a block's beginning, of whole blocks. NULL: there is no spool. */
uint8_t *records_bulk_room(size_t *length);
void records_put_bulk(size_t length);
void records_flush(void);

/* The next tag; 0 when the stream ended. */
uint8_t records_next(void);
/* Reads an entry's body; free `body` when done. -1 when the stream is no such thing. */
int records_entry(struct archive_entry *entry);
uint32_t records_data(void);
uint64_t records_hole(void);
/* A view on up to `most` bytes of the current piece; 0 when the stream ended. */
size_t records_view(const uint8_t **data, size_t most);

/* ---- operations ---- */

/* A path that grows and shrinks with a walk. */
struct archive_path {
	char *text;
	size_t used, capacity;
};

/* Appends a component; gives what `path_shorten` takes to undo it. */
size_t path_extend(struct archive_path *path, const char *name);
void path_shorten(struct archive_path *path, size_t used);

/* Names in a directory, sorted by byte; NULL-terminated; one allocation to free. NULL when they can't be read. */
char **archive_names(int directory);

/* Writes one file of a directory as an entry; for a directory that is open afterwards, gives its descriptor, else -1. */
int archive_put(int parent, const char *name, struct archive_path *path, int *directory, struct fault *fault);
/* Just as many bytes as were announced: what a file lost meanwhile is a hole, what it gained is left. */
int archive_content(int fd, const struct stat *st, const char *path, struct fault *fault);
int archive_stat(const char *path, struct fault *fault);
int archive_read(const char *path, struct fault *fault);
int archive_write(const char *path, bool keep_kinds, const struct identity *owner, struct fault *fault);
/* `contents`: as the entries of a layer rather than a list. */
int archive_changes(int upper, int lower, bool contents, struct fault *fault);

/* Fault for a system call that failed on a path. */
int archive_failed(struct fault *fault, const char *what, const char *path);

#endif

/* What the parts of the agent share: faults, the event loop, the port, and the doors between the files. */
#ifndef BERTH_AGENT_H
#define BERTH_AGENT_H

#include "frame.h"
#include "wire.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define AGENT_PROTOCOL 1u
#ifndef AGENT_VERSION
#define AGENT_VERSION "0.0.0"
#endif

/* ---- messages (docs/design/guest-protocol.md holds the table) ---- */
enum {
	MSG_HELLO = 0x01,
	MSG_MOUNT_LAYERS = 0x02,
	MSG_SEAL = 0x03,
	MSG_PERSONALISE = 0x04,
	MSG_PREPARE = 0x05,
	MSG_START = 0x06,
	MSG_FOLLOW = 0x07,
	MSG_JOURNAL_ACK = 0x08,
	MSG_STDIN = 0x0a,
	MSG_STDIN_CLOSE = 0x0b,
	MSG_RESIZE = 0x0c,
	MSG_SIGNAL = 0x0d,
	MSG_FREEZE = 0x0e,
	MSG_EXEC = 0x0f,
	MSG_EXEC_CREDIT = 0x10,
	MSG_PROCESSES = 0x11,
	MSG_STATISTICS = 0x12,
	MSG_CONFIGURE_NETWORK = 0x13,
	MSG_REMOVE_NETWORK = 0x14,
	MSG_UPDATE_FILES = 0x15,
	MSG_UPDATE_LIMITS = 0x16,
	MSG_SHUTDOWN = 0x17,
	MSG_FILES = 0x18,
	MSG_TO_RELAY_DATA = 0x19,
	MSG_TO_RELAY_CREDIT = 0x1a,
	MSG_TO_RELAY_END = 0x1b,
	MSG_VOLUMES = 0x1c,

	MSG_WELCOME = 0x80,
	MSG_REPLY = 0x81,
	MSG_FAULT = 0x82,
	MSG_JOURNAL = 0x83,
	MSG_EXIT = 0x84,
	MSG_EXEC_OUTPUT = 0x85,
	MSG_EXEC_EXIT = 0x86,
	MSG_STDIN_CREDIT = 0x87,
	MSG_RELAY_OPEN = 0x88,
	MSG_RELAY_DATA = 0x89,
	MSG_RELAY_CREDIT = 0x8a,
	MSG_RELAY_END = 0x8b,
};

/* ---- faults: a code the host knows, a sentence for the user ---- */
struct fault {
	char code[32];
	char message[1024];
};

/* Fills the fault and returns -1, so that `return fault_set(...)` reads well. */
int fault_set(struct fault *fault, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The kernel's word for an error as Go (and so Docker) spells it: lower case. */
const char *error_text(int error);

/* ---- event loop ---- */
struct source {
	int fd;
	uint32_t events; /* 0: not watched now */
	void (*ready)(struct source *source, uint32_t events);
	void *owner;
};

int loop_open(void);
/* Watches for exactly these events; 0 stops watching. */
void loop_watch(struct source *source, uint32_t events);
/* Stops watching and closes; the fd becomes -1. */
void source_close(struct source *source);
/* One turn: waits for events and handles them. */
void loop_turn(int timeout_ms);
int set_nonblocking(int fd);

/* ---- the port ---- */
int port_open_device(const char *name);
int port_open_socket(const char *path);
/* Queues one message, split into frames as needed. */
void port_send(uint8_t type, uint32_t stream, const void *body, size_t length);
void port_send_writer(uint8_t type, uint32_t stream, struct writer *w);
void port_reply(uint32_t request);
void port_fault(uint32_t request, const struct fault *fault);
/* True while bulk output may be queued: connected, greeted, and little is waiting. */
bool port_has_room(void);
/* Called by the port when there is room again: pulls output out of the journal and the execs. */
void output_pump(void);
/* Writes everything queued, waiting up to so long (shutdown). */
void port_flush(int timeout_ms);

/* ---- requests ---- */
struct message {
	uint8_t type;
	uint32_t stream;
	const uint8_t *body;
	size_t length;
};
void request_handle(const struct message *message);

/* ---- state of the guest ---- */
enum phase { PHASE_FRESH, PHASE_LAYERS, PHASE_SEALED, PHASE_PREPARED, PHASE_RUNNING, PHASE_EXITED };

struct agent {
	enum phase phase;
	bool rehearsing; /* nothing that happens now is told to the host */
	const char *root; /* on the host: what FILES shows */
	bool host; /* not PID 1 of a VM: no devices, no modules, no cgroup of its own */
	uint64_t started_at_ms;
	uint32_t layers;
	uint32_t scratch; /* the writable layer's place among the block devices */
};
extern struct agent agent;

/* ---- boot ---- */
void boot_system(void);
void boot_trace(const char *what);

/* ---- devices ---- */
enum { VIRTIO_NET = 1, VIRTIO_BLOCK = 2, VIRTIO_9P = 9 };
/* Binds the driver of the index-th device of a kind (in the command line's order); writes its name, e.g. `vda`. */
int device_bind(int kind, uint32_t index, char *name, size_t size, struct fault *fault);
/* Remembers another name for a bound device; `_link`: by its old name. */
void device_renamed(int kind, uint32_t index, const char *name);
void device_renamed_link(const char *old, const char *name);
/* Binds the device that serves the host's directories, if it isn't yet. */
int device_bind_shares(struct fault *fault);
void device_unbind(int kind, uint32_t index);
/* The index of the last device of a kind that has no driver; -1 when all have one. */
int device_last_unbound(int kind);
uint32_t device_count(int kind);
void devices_trace(void);

/* ---- mounts ---- */
int mounts_layers(struct reader *body, struct fault *fault);
/* Scratch and overlay; the container's root appears at ROOT_DIR. */
int mounts_root(uint32_t scratch_index, struct fault *fault);
/* The rehearsal's root: on an unused disk with a file system, if the template has one, else in memory. */
int mounts_rehearsal(struct fault *fault);
void mounts_rehearsal_end(void);
void mounts_release(void);
/* In a mount namespace of its own: a descriptor of everything below the writable layer; -1: nothing is there, -2: a fault. */
int mounts_lower(struct fault *fault);
#define ROOT_DIR "/c"
#define UPPER_DIR "/s/u"
#define FILES_DIR "/f"

/* ---- files Docker manages ---- */
int files_write(const char *name, const char *content, struct fault *fault);

/* ---- container: the child that becomes process 1 ---- */
struct start_spec;
int container_prepare(struct fault *fault);
int container_start(uint32_t request, const uint8_t *body, size_t length, struct fault *fault);
void container_abandon(void);

/* ---- files ---- */
/* Starts a worker that reads or writes files of the container; what it has is an exec to the host. */
int archive_start(uint32_t request, struct reader *body, struct fault *fault);

/* ---- processes ---- */
struct process_spec {
	struct strings args;
	struct strings env;
	const char *cwd;
	const char *user;
	struct strings groups;
	bool terminal;
	uint16_t columns;
	uint16_t rows;
	bool stdin_open;
	uint32_t rlimit_count;
	struct reader rlimits;
	uint64_t capabilities;
	bool no_new_privileges;
};
void read_process_spec(struct reader *r, struct process_spec *spec);
/* In the child, after namespaces and stdio: user, limits, credentials, directory, exec. Returns only on failure. */
int process_execute(const struct process_spec *spec, bool main_process, struct fault *fault);

struct process;
extern struct process *main_process;
struct process *process_new(uint32_t id);
struct process *process_find(uint32_t id);
void process_free(struct process *p);
int exec_start(uint32_t request, uint32_t id, struct reader *body, struct fault *fault);
void process_reap(void);
void process_credit(uint32_t id, uint32_t bytes);
void process_stdin(uint32_t id, const uint8_t *data, size_t length);
void process_stdin_close(uint32_t id);
int process_resize(uint32_t id, uint16_t columns, uint16_t rows, struct fault *fault);
int process_signal(uint32_t id, int signal, struct fault *fault);
/* The connection is new: execs of the last one lose their listener, stdin credit starts afresh. */
void process_forget_connection(void);
/* Waits for workers of an earlier connection, which have been killed: they use what a new one may use. */
void process_end_workers(void);
/* Processes of a rehearsal: found by id, and in the end dropped whatever their state. */
struct process *process_rehearsed(uint32_t id);
void process_forget_rehearsal(void);
void process_pump(void);
/* Milliseconds until some process must be looked at again; -1: never. */
int process_timeout(void);

/* ---- terminal ---- */
/* A master in the container's own devpts; writes its number. */
int terminal_open(int root_fd, int *number, struct fault *fault);
void terminal_size(int fd, uint16_t columns, uint16_t rows);

/* ---- journal ---- */
bool journal_full(void);
void journal_append(uint8_t stream, const uint8_t *data, size_t length);
/* Host has everything below `position`. */
void journal_ack(uint64_t position);
void journal_follow(uint64_t position);
void journal_unfollow(void);
void journal_pump(void);
void journal_end(uint32_t exit_code, bool oom_killed, uint64_t finished_at_ms);

/* ---- user ---- */
struct identity {
	uint32_t uid;
	uint32_t gid;
	uint32_t groups[64];
	int group_count;
	char home[256];
};
int user_resolve(const char *user, const struct strings *additional, struct identity *out, struct fault *fault);

/* ---- credentials ---- */
int credentials_apply(const struct process_spec *spec, const struct identity *identity, struct fault *fault);

/* ---- network ---- */
int network_loopback(struct fault *fault);
int network_bind(uint32_t index, struct fault *fault);
void network_bind_all(void);
/* Reads one NIC from the body and configures the index-th device. */
int network_configure(uint32_t index, struct reader *nic, struct fault *fault);
int network_remove(const char *name, struct fault *fault);
void network_flush_neighbours(void);
/* Binds, raises and unbinds every network device. */
void network_rehearse(void);
/* Gives the first device an address and a route, and takes them away. */
void network_warm_up(void);

/* ---- limits ---- */
struct limits {
	uint64_t memory_bytes;
	uint64_t swap_bytes;
	uint64_t cpu_milli;
	uint64_t pids;
};
void read_limits(struct reader *r, struct limits *limits);
void limits_open(void);
/* A fresh cgroup: counters of a rehearsal are nobody's. */
void limits_renew(void);
/* An fd of the container's cgroup directory, or -1. */
int limits_cgroup(void);
int limits_apply(const struct limits *limits, struct fault *fault);
int limits_freeze(bool frozen, struct fault *fault);
bool limits_oom_killed(void);
uint64_t limits_memory(void);
ssize_t limits_read(const char *file, char *buffer, size_t size);

/* ---- personalise, seal, reports ---- */
int personalise(struct reader *body, struct fault *fault);
int rehearse(struct fault *fault);
void warm_up(void);
void report_processes(struct writer *w);
void report_statistics(struct writer *w);

/* ---- clock ---- */
/* `--tsc-khz`, on the host: prints the rate of the time stamp counter. Returns the exit code. */
int clock_print_tsc_khz(void);

/* ---- small things over files ---- */
ssize_t file_read(const char *path, char *buffer, size_t size);
int file_write(const char *path, const char *text);
int file_write_at(int dir, const char *path, const void *data, size_t length);
/* Makes a directory and its parents. */
int directories_make(const char *path, mode_t mode);
uint64_t now_ms(void);

#endif

/*
 * Before a template is saved, everything a start runs is run once: a container from the same layers, with a shell of the
 * image and a second process beside it. What that leaves in page cache, dentries and slabs is shared by all clones; what
 * belongs to the rehearsal itself (its cgroup, its writable layer, its devices) is taken away again.
 */
#include "container.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 10000

static void write_list(struct writer *w, const char *const *list, uint32_t count)
{
	write_u32(w, count);
	for (uint32_t i = 0; i < count; i++)
		write_string(w, list[i]);
}

/* A shell with this script; without one, the agent's own program, which ends at once when it is not process 1. */
static void write_process(struct writer *w, const char *script, bool terminal, bool stdin_open)
{
	const char *const args[] = {script == NULL ? "/proc/self/exe" : "sh", "-c", script};
	const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
	write_list(w, args, script == NULL ? 1 : 3);
	write_list(w, env, 1);
	write_string(w, "/");
	write_string(w, "");
	write_list(w, NULL, 0);
	write_u8(w, terminal);
	write_u32(w, terminal ? 80 : 0);
	write_u32(w, terminal ? 24 : 0);
	write_u8(w, stdin_open);
	write_u32(w, 0);
	/* Docker's fourteen capabilities: so that bounding-set drops are rehearsed too. */
	write_u64(w, 0xa80425fb);
	write_u8(w, 0);
}

static void write_container(struct writer *w, const char *script)
{
	for (int i = 0; i < 5; i++)
		write_string(w, i == 0 ? "rehearsal" : "");
	write_u8(w, 0);
	write_u8(w, 0);
	write_u64(w, 64u << 20);
	write_u32(w, 0);
	write_u32(w, 0);
	/* Limits as a tenant may set them; the cgroup goes afterwards. */
	write_u64(w, 0);
	write_u64(w, 0);
	write_u64(w, 1000);
	write_u64(w, 1000);
	write_u32(w, 0);
	write_process(w, script, false, true);
}

/* Turns the loop until a process of the rehearsal has gone, or runs (`until_running`). */
static void await(uint32_t id, bool until_running)
{
	uint64_t until = now_ms() + PATIENCE_MS;
	for (;;) {
		struct process *p = process_rehearsed(id);
		if (p == NULL || (until_running && p->running) || now_ms() > until)
			return;
		loop_turn(50);
		process_pump();
	}
}

static void run_all(struct fault *ignored)
{
	struct writer start = {0};
	write_container(&start, "read x");
	if (!start.failed && container_start(0, start.data, start.used, ignored) == 0) {
		await(0, true);
		for (uint32_t id = 1; id <= 2 && process_rehearsed(0) != NULL; id++) {
			struct writer body = {0};
			write_process(&body, ":", id == 2, false);
			struct reader r = {body.data, body.data + body.used, false};
			if (!body.failed && exec_start(0, id, &r, ignored) == 0)
				await(id, false);
			writer_free(&body);
		}
		struct process *shell = process_rehearsed(0);
		if (shell != NULL)
			source_close(&shell->input);
		await(0, false);
	}
	writer_free(&start);
}

/*
 * In a clone that waits to be started: the first run of any code costs an emulated processor its translation, so what a
 * start will run is run now, while nobody waits. Nothing of the image runs here, only the agent's own program.
 */
void warm_up(void)
{
	struct fault ignored;
	struct writer body = {0};
	agent.rehearsing = true;
	limits_apply(&(struct limits){.cpu_milli = 0}, &ignored);
	network_warm_up();
	write_process(&body, NULL, false, false);
	struct reader r = {body.data, body.data + body.used, false};
	if (!body.failed && exec_start(0, 1, &r, &ignored) == 0)
		await(1, false);
	writer_free(&body);
	agent.rehearsing = false;
}

int rehearse(struct fault *fault)
{
	struct fault ignored;
	agent.rehearsing = true;
	int result = mounts_rehearsal(fault);
	if (result == 0) {
		if (!agent.host)
			network_rehearse();
		for (int round = 0; round < 2 && result == 0; round++) {
			result = container_prepare(fault);
			if (result == 0)
				run_all(&ignored);
			container_abandon();
		}
		process_forget_rehearsal();
		mounts_rehearsal_end();
	}
	agent.rehearsing = false;
	limits_renew();
	sync();
	return result;
}

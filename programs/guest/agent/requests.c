/* What the host may ask, one case each: bodies are read here, and answered with a reply or a fault. */
#include "container.h"
#include "relay.h"

#include <errno.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <unistd.h>

static int in_phase(enum phase least, enum phase most, const char *what, struct fault *fault)
{
	if (agent.phase >= least && agent.phase <= most)
		return 0;
	return fault_set(fault, "wrong-phase", "%s is not possible now", what);
}

static int handle_prepare(struct reader *r, struct fault *fault)
{
	uint32_t scratch = read_u32(r);
	uint8_t format = read_u8(r);
	if (r->bad || in_phase(PHASE_FRESH, PHASE_SEALED, "prepare", fault) < 0)
		return r->bad ? fault_set(fault, "internal", "prepare: malformed request") : -1;
	if (format)
		return fault_set(fault, "unsupported", "the scratch disk must arrive with a file system");
	boot_trace("prepare");
	agent.scratch = scratch;
	if (mounts_root(scratch, fault) < 0)
		return -1;
	boot_trace("root mounted");
	if (!agent.host) {
		network_bind_all();
		boot_trace("networks bound");
	}
	if (container_prepare(fault) < 0)
		return -1;
	if (!agent.host)
		sync();
	boot_trace("prepared");
	agent.phase = PHASE_PREPARED;
	return 0;
}

static int handle_layers(struct reader *r, struct fault *fault)
{
	if (in_phase(PHASE_FRESH, PHASE_SEALED, "mounting layers", fault) < 0 || mounts_layers(r, fault) < 0)
		return -1;
	agent.phase = PHASE_LAYERS;
	return 0;
}

static int handle_seal(struct fault *fault)
{
	if (in_phase(PHASE_FRESH, PHASE_LAYERS, "seal", fault) < 0 || rehearse(fault) < 0)
		return -1;
	agent.phase = PHASE_SEALED;
	return 0;
}

static int handle_files(struct reader *r, struct fault *fault)
{
	static const char *const names[] = {"hosts", "resolv.conf", "hostname"};
	for (size_t i = 0; i < 3; i++)
		if (read_u8(r)) {
			const char *content = read_string(r);
			if (r->bad || files_write(names[i], content, fault) < 0)
				return r->bad ? fault_set(fault, "internal", "files: malformed request") : -1;
		}
	return 0;
}

static void shut_down(void)
{
	container_abandon();
	mounts_release();
	port_flush(2000);
	if (agent.host)
		_exit(0);
	/* microvm has no power switch of its own: the host runs QEMU with -no-reboot. */
	reboot(RB_AUTOBOOT);
}

void request_handle(const struct message *m)
{
	struct reader r = {m->body, m->body + m->length, false};
	struct fault fault = {0};
	struct limits limits;
	struct writer w = {0};
	uint32_t target, first, second;
	int result = 0;

	switch (m->type) {
	/* Told, not asked: nothing is answered. */
	case MSG_FOLLOW:
		journal_follow(read_u64(&r));
		return;
	case MSG_JOURNAL_ACK:
		journal_ack(read_u64(&r));
		process_pump();
		return;
	case MSG_STDIN:
		process_stdin(m->stream, m->body, m->length);
		return;
	case MSG_STDIN_CLOSE:
		process_stdin_close(m->stream);
		return;
	case MSG_EXEC_CREDIT:
		process_credit(m->stream, read_u32(&r));
		return;
	case MSG_TO_RELAY_DATA:
		relay_data(m->stream, m->body, m->length);
		return;
	case MSG_TO_RELAY_CREDIT:
		relay_credit(m->stream, read_u32(&r));
		return;
	case MSG_TO_RELAY_END:
		relay_end(m->stream, read_u8(&r));
		return;

	/* Answered later, when the program runs. */
	case MSG_START:
		boot_trace("start");
		result = in_phase(PHASE_PREPARED, PHASE_PREPARED, "start", &fault);
		if (result == 0 && container_start(m->stream, m->body, m->length, &fault) == 0)
			return;
		result = -1;
		break;
	case MSG_EXEC:
		target = read_u32(&r);
		if (exec_start(m->stream, target, &r, &fault) == 0)
			return;
		result = -1;
		break;

	case MSG_FILES:
		if (archive_start(m->stream, &r, &fault) == 0)
			return;
		result = -1;
		break;

	case MSG_MOUNT_LAYERS:
		result = handle_layers(&r, &fault);
		break;
	case MSG_SEAL:
		result = handle_seal(&fault);
		break;
	case MSG_PERSONALISE:
		boot_trace("personalise");
		result = personalise(&r, &fault);
		/* Nobody waits for this one yet; where somebody does, the start itself comes next. */
		if (result == 0 && read_u8(&r) != 0 && agent.phase == PHASE_PREPARED && !agent.host)
			warm_up();
		break;
	case MSG_PREPARE:
		result = handle_prepare(&r, &fault);
		break;
	case MSG_VOLUMES:
		result = in_phase(PHASE_PREPARED, PHASE_PREPARED, "showing volumes", &fault);
		if (result == 0)
			result = volumes_rest(m->body, m->length, &fault);
		break;
	case MSG_RESIZE:
		target = read_u32(&r);
		first = read_u32(&r);
		second = read_u32(&r);
		result = process_resize(target, (uint16_t)first, (uint16_t)second, &fault);
		break;
	case MSG_SIGNAL:
		target = read_u32(&r);
		first = read_u32(&r);
		result = process_signal(target, (int)first, &fault);
		break;
	case MSG_FREEZE:
		result = limits_freeze(read_u8(&r), &fault);
		break;
	case MSG_PROCESSES:
		report_processes(&w);
		port_send_writer(MSG_REPLY, m->stream, &w);
		return;
	case MSG_STATISTICS:
		report_statistics(&w);
		port_send_writer(MSG_REPLY, m->stream, &w);
		return;
	case MSG_CONFIGURE_NETWORK:
		target = read_u32(&r);
		result = network_configure(target, &r, &fault);
		break;
	case MSG_REMOVE_NETWORK: {
		const char *name = read_string(&r);
		result = network_remove(name, &fault);
		break;
	}
	case MSG_UPDATE_FILES:
		result = handle_files(&r, &fault);
		break;
	case MSG_UPDATE_LIMITS:
		read_limits(&r, &limits);
		result = limits_apply(&limits, &fault);
		break;
	case MSG_SHUTDOWN:
		container_abandon();
		mounts_release();
		port_reply(m->stream);
		shut_down();
		return;
	default:
		result = fault_set(&fault, "unsupported", "this agent does not know request %u", m->type);
	}
	if (result == 0)
		port_reply(m->stream);
	else
		port_fault(m->stream, &fault);
}

/*
 * Preloaded into QEMU for a clone, with the RAM guard: a mount namespace of its own before anything else runs. What the
 * host shares with this machine later is mounted in here (native/share.c), where nobody else sees it, and goes with it.
 * What is unmounted on the host is unmounted here too (where its mounts are shared), so no machine keeps a disk busy.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>

__attribute__((constructor)) static void own_mounts(void)
{
	if (getenv("BERTH_RAM") == NULL)
		return;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
		perror("a mount namespace of its own");
		exit(1);
	}
}

/* See threads.c. */
#ifndef BERTH_THREADS_H
#define BERTH_THREADS_H

#include <stdbool.h>

/* Once, while there is one thread. False: this C library lays out its threads in no way that is known. */
bool threads_prepare(void);
/* All other threads stand still in a system call until `threads_release`. Gives how many, or a negative errno. */
int threads_catch(void);
void threads_release(void);
/* In the copy: makes so many again. 0, or a negative errno. */
int threads_restore(int count);

#endif

/*
 * A GLX vendor library that never comes back from being loaded.
 *
 * It stands for a driver waiting for a graphics card that fell off the bus.
 * The sleep is restarted after every signal that does not kill the process,
 * so only a probe with a time limit and a kill gets past it.
 */
#include <unistd.h>

__attribute__((constructor)) static void sleep_on_load(void)
{
    for (;;)
        pause();
}

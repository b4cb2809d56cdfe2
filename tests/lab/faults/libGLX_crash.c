/*
 * A GLX vendor library that kills whoever loads it.
 *
 * libglvnd loads libGLX_<vendor>.so.0 for the vendor named by
 * __GLX_VENDOR_LIBRARY_NAME.  The constructor runs inside dlopen(), before
 * any entry point is looked up, so no care taken by the caller can help: only
 * a probe in a process of its own survives it.  Real drivers do the same when
 * their kernel module and their user space come from different releases.
 */
__attribute__((constructor)) static void crash_on_load(void)
{
    /* volatile keeps the compiler from turning the write into a trap
     * instruction, which would be SIGILL instead of SIGSEGV. */
    volatile int *volatile nowhere = 0;
    *nowhere = 1;
}

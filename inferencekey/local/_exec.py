"""Becomes the engine, after asking the system to kill it when the platform dies. Run as a file, not
imported.

A process of its own does this between fork and exec, since code between the two in a program with
threads can deadlock. The wish survives exec. Arguments: the platform's process id, the program's
file, its argv.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    platform_pid, program, *argv = sys.argv[1:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(platform_pid):
            return  # it died before the wish was made
    # The platform may run with signals ignored or blocked; an engine must still end on TERM.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execv(program, argv)
    except OSError as cause:
        sys.exit(f"cannot run {program}: {cause.strerror}")


if __name__ == "__main__":
    main()

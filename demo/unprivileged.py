"""Become another account and then another program, for programs that refuse to run as root.

    python unprivileged.py postgres /usr/lib/postgresql/15/bin/postgres -D folder

It stays the same process, and still ends with its parent: a change of account takes that back (prctl(2)).
"""

import ctypes
import os
import pwd
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(account: str, program: str, *arguments: str) -> None:
    """Run the program as the account; does not return."""
    found = pwd.getpwnam(account)
    os.initgroups(account, found.pw_gid)
    os.setgid(found.pw_gid)
    os.setuid(found.pw_uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.execv(program, [program, *arguments])  # noqa: S606 - the command is this project's own


if __name__ == "__main__":
    main(*sys.argv[1:])

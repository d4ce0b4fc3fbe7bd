"""A pseudo-terminal for the tests: COLUMNS ROWS COMMAND... runs in one. Lines of JSON on stdin: {"type": text}, {"resize": [columns, rows]},
{"hangUp": true}. What it shows comes on stdout as it is. Ends with the command's exit code, or 128 and the signal."""
import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios


def resize(terminal, columns, rows):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def obey(terminal, line):
    order = json.loads(line)
    if "type" in order:
        os.write(terminal, order["type"].encode())
    if "resize" in order:
        resize(terminal, *order["resize"])
    return "hangUp" not in order


def serve(terminal):
    unread = b""
    while True:
        ready, _, _ = select.select([terminal, 0], [], [])
        if terminal in ready:
            try:
                shown = os.read(terminal, 65536)
            except OSError:
                return
            if not shown:
                return
            os.write(1, shown)
        if 0 in ready:
            more = os.read(0, 65536)
            # Whoever tests has gone, and the person with them.
            if not more:
                return
            unread += more
            *lines, unread = unread.split(b"\n")
            if not all([obey(terminal, line) for line in lines]):
                return


columns, rows, *command = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    # The size has to be there before anybody looks at it.
    resize(0, int(columns), int(rows))
    os.execvp(command[0], command)
serve(terminal)
os.close(terminal)
_, status = os.waitpid(child, 0)
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))

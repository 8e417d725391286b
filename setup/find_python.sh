#!/bin/sh
# Prints a Python 3.11 to 3.13: the one given, or else that of a .venv made before, or else the first in PATH.

named=$1
[ -n "$named" ] || set -- .venv/bin/python python3 python3.11 python3.12 python3.13

for candidate in "$@"; do
    if "$candidate" -I -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
        echo "$candidate"
        exit
    fi
done

if [ -n "$named" ]; then
    echo "setup: PYTHON='$named' is not a Python 3.11 to 3.13. Name another, or leave PYTHON out." >&2
else
    echo "setup: found no Python 3.11 to 3.13 among $*. Install one (Debian, Ubuntu: apt-get install" \
        "python3 python3-venv), or name it: make setup PYTHON=/path/to/python3" >&2
fi
exit 1

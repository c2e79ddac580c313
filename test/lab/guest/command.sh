#!/bin/bash
# Runs the job's command and writes down how it ended; the host then switches the machine off. tty1 is its stdout on the host, tty2 its stderr, tty3 the test report.
. /run/lab/io/job
for tty in 1 2 3; do stty -F /dev/tty$tty raw -echo; done
cd "$DIRECTORY" || cd /
base=(LAB=1 HOME=/run/lab/home PATH="$COMMAND_PATH" LANG=C.UTF-8 NODE_COMPILE_CACHE=/run/lab/compiled)
started=$SECONDS
timeout -k 5 "$LIMIT" env -i "${base[@]}" "${ENVIRONMENT[@]}" "${COMMAND[@]}" </run/lab/io/stdin >/dev/tty1 2>/dev/tty2
code=$?
limit=
[ $((SECONDS - started)) -ge "$LIMIT" ] && limit=limit
# A terminal's settings change only after what was written to it is out (TCSADRAIN): this waits for the last line.
for tty in 1 2 3; do stty -F /dev/tty$tty raw -echo time 1; done
sync
echo "$code $limit" >/run/lab/io/status.new
mv /run/lab/io/status.new /run/lab/io/status

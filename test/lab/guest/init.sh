#!/bin/bash
# Process 1 of the machine. Its root is the host's / over hostfs, read-only; stage one covers it with a tmpfs overlay, so that the guest may
# write anywhere and the host sees none of it. Stage two, inside that overlay, sets the machine up and runs the command.
# Everything it needs to know stands in the file `job` beside it, written by lab.ts.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
fail() { # process 1 ends, and the machine with it
  echo "lab: $*"
  exit 1
}

if [ "$1" != stage2 ]; then
  echo "lab: init"
  here=${0%/*}
  . "$here/job"
  mount -t proc proc /proc
  mount -t tmpfs -o mode=755 lab /mnt
  mkdir /mnt/host /mnt/packages /mnt/up /mnt/work /mnt/root
  mount -t hostfs -o / none /mnt/host || fail "the host's files cannot be mounted"
  export LD_LIBRARY_PATH=${PACKAGES:+$PACKAGES/usr/lib/x86_64-linux-gnu}
  (exec -a insmod "$KMOD" "$MODULES/kernel/fs/overlayfs/overlay.ko") || fail "no overlay module below $MODULES"
  unset LD_LIBRARY_PATH
  [ -z "$PACKAGES" ] || mount -t hostfs -o "$PACKAGES" none /mnt/packages || fail "$PACKAGES cannot be mounted"
  # Unpacked packages lie between what the guest writes and what the host has: as if they were installed.
  mount -t overlay -o "lowerdir=${PACKAGES:+/mnt/packages:}/mnt/host,upperdir=/mnt/up,workdir=/mnt/work" overlay /mnt/root ||
    fail "no overlay"
  root=/mnt/root
  mount -n --move /proc $root/proc
  mount -t sysfs sys $root/sys
  mount -t devtmpfs dev $root/dev
  mkdir -p $root/dev/pts $root/dev/shm
  mount -t devpts -o ptmxmode=666,newinstance devpts $root/dev/pts
  mount -t tmpfs -o mode=1777 shm $root/dev/shm
  mount -t tmpfs -o mode=755 run $root/run
  mkdir -p $root/run/lock $root/run/netns $root/run/lab/io $root/run/lab/{old,home,compiled}
  mount -t hostfs -o "$here" none $root/run/lab/io || fail "$here cannot be mounted"
  [ -z "$COMPILED" ] || mount -t hostfs -o "$COMPILED" none $root/run/lab/compiled || fail "$COMPILED cannot be mounted"
  for path in "${WRITABLE[@]}"; do
    mount -t hostfs -o "$path" none "$root$path" || fail "$path cannot be mounted writable"
  done
  cd $root && pivot_root . run/lab/old && exec chroot . /bin/bash /run/lab/io/init stage2 <dev/null >dev/console 2>&1
  fail "pivot_root failed"
fi

. /run/lab/io/job
umount -l /run/lab/old
mkdir -p /lib/modules
ln -sfn "/usr/lib/uml/modules/$(uname -r)" /lib/modules/
# This kernel has no nft tables for ip; the old interface is there.
for tool in iptables ip6tables iptables-save iptables-restore ip6tables-save ip6tables-restore; do
  [ -x /usr/sbin/xtables-legacy-multi ] && ln -sf xtables-legacy-multi /usr/sbin/$tool
done
hostname lab
ip link set lo up
modprobe -a ip_vs veth dummy bridge ipv6 || fail "modprobe failed"
. /run/lab/io/topology
"topology_$TOPOLOGY" || fail "topology $TOPOLOGY failed"
if [ -n "$SYSTEMD" ]; then . /run/lab/io/systemd; fi
/bin/bash /run/lab/io/command
exec sleep infinity

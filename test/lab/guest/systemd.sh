# Hands over to systemd as process 1; the command then runs as a unit of its own.
: >/etc/fstab
rm -f /etc/machine-id
echo 00000000000000000000000000000001 >/etc/machine-id
mkdir -p /run/systemd/system /run/systemd/journald.conf.d
printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nForwardToConsole=no\n' >/run/systemd/journald.conf.d/lab.conf
# Units of the host that would touch hardware, the network or files that are none of ours. Above all systemd-tmpfiles-setup: it empties
# /tmp, which reaches through to writable mounts there.
for unit in \
  systemd-{udevd,udev-trigger,hwdb-update,random-seed,update-utmp,timesyncd,resolved,networkd,logind,firstboot}.service \
  systemd-{modules-load,sysctl,tmpfiles-setup,tmpfiles-setup-dev,pstore,boot-system-token,binfmt,remount-fs}.service \
  systemd-{journal-flush,journal-catalog-update,update-done,machine-id-commit,sysusers}.service \
  systemd-{udevd-control,udevd-kernel}.socket systemd-tmpfiles-clean.timer systemd-ask-password-{console,wall}.path \
  sys-kernel-{tracing,debug,config}.mount dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount \
  proc-sys-fs-binfmt_misc.automount kmod-static-nodes.service modprobe@{configfs,drm,fuse,efi_pstore}.service \
  getty.target console-getty.service serial-getty@.service keyboard-setup.service console-setup.service \
  {apt-daily,apt-daily-upgrade,dpkg-db-backup,e2scrub_all,fstrim}.timer \
  ldconfig.service apparmor.service nftables.service ipvsadm.service; do
  ln -sf /dev/null /run/systemd/system/$unit
done
cat >/run/systemd/system/lab-command.service <<'UNIT'
[Unit]
Description=the command of the lab
Requires=basic.target
After=basic.target
[Service]
Type=exec
ExecStart=/bin/bash /run/lab/io/command
KillMode=none
UNIT
cat >/run/systemd/system/lab.target <<'UNIT'
[Unit]
Description=lab
Requires=lab-command.service
AllowIsolate=yes
UNIT
unset $(compgen -e | grep -v '^PATH$')
exec /lib/systemd/systemd --unit=lab.target --log-target=journal-or-kmsg --log-level=info --show-status=no </dev/null >/dev/console 2>&1

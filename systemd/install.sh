#!/bin/sh
# Makes this checkout a service of systemd, or takes the service away again. Shows every command it runs; may be run again at any time, above
# all after an update. As root, where the checkout is to stay: /opt/director for example.
set -eu
umask 022

root=$(readlink -f -- "$0")
root=${root%/*/*}
command=/usr/bin/director
unit=/etc/systemd/system/director.service
users=/etc/sysusers.d/director.conf
settings=/usr/lib/sysctl.d/50-director.conf
config=/etc/director/director.conf
manuals=/usr/share/man

usage() {
  cat <<TEXT
usage: systemd/install.sh [--uninstall]
  Installs director from $root: its user, its command ($command), its unit, its manual pages. With a
  good $config director is enabled and started, or restarted if it runs; without one it is not started.
  An existing configuration is never touched.
  --uninstall  stops and removes the service; configuration, state and the kernel's table stay.
TEXT
}

say() { echo "director: $*"; }
stop() {
  echo "director: $*" >&2
  exit 1
}
run() {
  echo "+ $*"
  "$@"
}

# Everything that can be wrong, before anything is done.
check() {
  [ "$(id -u)" = 0 ] || stop "installing needs root: sudo $0"
  [ -d /run/systemd/system ] || stop "systemd does not run here"
  case $root/ in
    /home/* | /root/* | /run/user/*) stop "the service sees nothing below /home, /root and /run/user (ProtectHome): move $root to /opt/director" ;;
    /tmp/* | /var/tmp/*) stop "the service has a /tmp of its own (PrivateTmp): move $root to /opt/director" ;;
  esac
  for tool in /usr/sbin/ipvsadm /usr/sbin/modprobe; do
    [ -x "$tool" ] || stop "$tool is missing: apt-get install ipvsadm kmod"
  done
  if [ -e "$command" ] || [ -L "$command" ]; then
    case $(readlink -- "$command" || true) in
      */bin/director) ;;
      *) stop "$command is there and not a link to a checkout of director: remove it first" ;;
    esac
  fi
}

install() {
  check
  packages_fit || (cd "$root" && run npm ci --omit=dev)
  run mkdir -p /etc/sysusers.d /usr/lib/sysctl.d /etc/director
  run cp "$root/systemd/director.sysusers" "$users"
  run systemd-sysusers "$users"
  run ln -sfn "$root/bin/director" "$command"
  as_director "$command" --version >/dev/null ||
    stop "user director cannot run $command: everything in $root and above it must be readable for others (chmod -R o+rX $root)"
  run cp "$root/systemd/director.sysctl" "$settings"
  for page in "$root"/man/*.[1-8]; do
    run mkdir -p "$(manual_folder "$page")"
    run ln -sf "$page" "$(manual_folder "$page")/"
  done
  run cp "$root/systemd/director.service" "$unit"
  run systemctl daemon-reload
  start
}

# Where man looks for it.
manual_folder() { echo "$manuals/man${1##*.}"; }

# Whether node_modules is what package-lock.json says: an update may have changed that. Packages for other machines are missing rightly.
packages_fit() {
  (
    cd "$root"
    PATH=$root/node_modules/.bin:$PATH
    node -e '
      const packages = (file) => JSON.parse(require("fs").readFileSync(file)).packages;
      const have = packages("node_modules/.package-lock.json");
      for (const [name, { version, dev, optional }] of Object.entries(packages("package-lock.json"))) {
        if (name === "" || dev || (optional && !have[name])) continue;
        if (!have[name] || have[name].version !== version) process.exit(1);
      }'
  ) 2>/dev/null
}

start() {
  if [ ! -e "$config" ]; then
    say "installed, not started: there is no $config. Write it (an example: $root/config/director.conf), then:"
    say "  director config test $config && systemctl enable --now director"
    return
  fi
  as_director "$command" config test "$config" || stop "installed, not started: $config has problems, see above"
  run systemctl enable director.service
  run systemctl restart director.service
  say "runs: director status"
}

# As the service will: with its user's rights and no more.
as_director() {
  (cd / && setpriv --reuid=director --regid=director --init-groups -- "$@")
}

uninstall() {
  [ "$(id -u)" = 0 ] || stop "uninstalling needs root: sudo $0 --uninstall"
  if [ -e "$unit" ]; then
    run systemctl disable --now director.service
    run rm "$unit"
    run systemctl daemon-reload
  fi
  if [ -e /var/cache/director ]; then run rm -r /var/cache/director; fi
  if [ -e /run/director ]; then run rm -r /run/director; fi
  if [ -e "$users" ]; then run rm "$users"; fi
  if [ -e "$settings" ]; then run rm "$settings"; fi
  if [ "$(readlink -- "$command")" = "$root/bin/director" ]; then run rm "$command"; fi
  for page in "$root"/man/*.[1-8]; do
    link=$(manual_folder "$page")/${page##*/}
    if [ "$(readlink -- "$link")" = "$page" ]; then run rm "$link"; fi
  done
  say "removed. Left as they are: the kernel's table (ipvsadm -Ln), /etc/director, /var/lib/director, user and group director, $root."
}

case ${1-} in
  "") install ;;
  --uninstall) uninstall ;;
  -h | --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
